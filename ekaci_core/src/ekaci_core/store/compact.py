"""The short forms in which columns hold paths, numbers and outputs."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable
from typing import Final

from ekaci_core.model.derivation import Output
from ekaci_core.model.ids import STORE_DIR, DrvPath, StorePath

_PREFIX: Final = STORE_DIR + "/"
_HASH_LENGTH: Final = 32


def path_text(path: DrvPath) -> str:
    """Shorten a derivation's path: its base name without ``.drv`` if it lies in the usual store directory."""
    return path[len(_PREFIX) : -4] if path.startswith(_PREFIX) else str(path)


def drv_path(text: str) -> DrvPath:
    """Undo `path_text`."""
    return DrvPath(text) if text.startswith("/") else DrvPath(f"{_PREFIX}{text}.drv")


def packed(numbers: Iterable[int]) -> bytes:
    """Pack numbers as little-endian unsigned 4-byte integers."""
    values = array("I", numbers)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def unpacked(blob: bytes) -> array[int]:
    """Undo `packed`."""
    values = array("I", blob)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def outputs_text(outputs: Iterable[Output], name: str) -> str:
    """Write outputs in a line each: name, path, and for content-addressed ones method and hash.

    Where the path is the usual one for this derivation's name, its hash stands for it; a path that is not known yet
    is a dash.
    """
    lines = []
    for output in outputs:
        text = f"{output.name} {_output_path_text(output, name)}"
        if output.method_and_algorithm:
            text += f" {output.method_and_algorithm} {output.hash}"
        lines.append(text)
    return "\n".join(lines)


def outputs_of(text: str, name: str) -> tuple[Output, ...]:
    """Undo `outputs_text`."""
    return tuple(_output(line.split(" "), name) for line in text.split("\n")) if text else ()


def _output_path_text(output: Output, name: str) -> str:
    path = output.path
    if path is None:
        return "-"
    hash_end = len(_PREFIX) + _HASH_LENGTH
    usual = path.startswith(_PREFIX) and path[hash_end:] == _output_suffix(output.name, name)
    return path[len(_PREFIX) : hash_end] if usual else str(path)


def _output(fields: list[str], name: str) -> Output:
    output, path = fields[0], fields[1]
    method, content_hash = (fields[2], fields[3]) if len(fields) > 2 else ("", "")  # noqa: PLR2004
    return Output(output, _output_path(output, path, name), method, content_hash)


def _output_path(output: str, text: str, name: str) -> StorePath | None:
    if text == "-":
        return None
    return StorePath(text if text.startswith("/") else f"{_PREFIX}{text}{_output_suffix(output, name)}")


def _output_suffix(output: str, name: str) -> str:
    # https://nix.dev/manual/nix/latest/store/derivation/outputs/input-address
    return f"-{name}" if output == "out" else f"-{name}-{output}"


def features_text(features: tuple[str, ...]) -> str | None:
    """Write system features as a JSON list; None for the usual case of none."""
    return json.dumps(features) if features else None


def features_of(text: str | None) -> tuple[str, ...]:
    """Undo `features_text`."""
    return tuple(json.loads(text)) if text else ()


def storable(text: str | None) -> str | None:
    """Replace what stands for invalid UTF-8 in strings that others wrote; columns hold Unicode only."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()
