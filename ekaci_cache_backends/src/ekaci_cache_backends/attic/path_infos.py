"""What this machine's store has registered of its objects."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from ekaci_cache_backends.batches import batches
from ekaci_core.api import BadName, InfrastructureFault, NixPrograms, StorePath

_SHA256: Final = "sha256"
_HEX_DIGITS: Final = 64
_NIX_BASE32: Final = "0123456789abcdfghijklmnpqrsvwxyz"


@attrs.frozen
class ObjectInfo:
    """A valid store object. ``sha256`` is of its archive, in hexadecimal digits."""

    path: StorePath
    sha256: str
    size: int
    references: tuple[StorePath, ...]
    signatures: tuple[str, ...] = ()
    ca: str | None = None


async def object_infos(
    nix: NixPrograms, paths: Sequence[StorePath], environment: Mapping[str, str] | None = None
) -> dict[StorePath, ObjectInfo]:
    """Ask Nix about objects; those that are not valid are left out.

    Raises:
        InfrastructureFault: it cannot be asked, or is not understood.
    """
    found: dict[StorePath, ObjectInfo] = {}
    for batch in batches(paths):
        argv = ["nix", "--extra-experimental-features", "nix-command", "path-info", "--json", *batch]
        answer = await nix.run(argv, environment=environment, timeout_seconds=600)
        if answer.status != 0:
            raise InfrastructureFault(
                f"Nix does not say what is in the store: {answer.stderr.strip()[-400:]}",
                where="nix path-info",
                do="see what Nix says",
            )
        found |= {info.path: info for info in parse_object_infos(answer.stdout)}
    return found


def parse_object_infos(text: str) -> list[ObjectInfo]:
    """Read ``nix path-info --json``: a list in older Nix and in Lix, an object by path in newer, versioned in newest.

    Raises:
        InfrastructureFault: it is none of these.
    """
    try:
        entries = _entries(json.loads(text))
        return [_info(path, entry) for path, entry in entries if entry and entry.get("valid") is not False]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadName):
        raise InfrastructureFault(
            "Nix's answer about store paths was not understood",
            where="nix path-info --json",
            do="run that command on a store path; report it with the output of `nix --version`",
        ) from None


def _entries(answer: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(answer, list):
        for entry in answer:
            yield entry["path"], entry
        return
    yield from answer.get("info", answer).items()


def _info(path: str, entry: Any) -> ObjectInfo:
    signatures, ca = entry.get("signatures") or (), entry.get("ca")
    return ObjectInfo(
        path=StorePath.parse(path),
        sha256=_hexadecimal(entry["narHash"]),
        size=int(entry["narSize"]),
        references=tuple(StorePath.parse(each) for each in entry["references"]),
        signatures=tuple(each for each in signatures if isinstance(each, str)),
        ca=ca if isinstance(ca, str) else None,
    )


def _hexadecimal(written: Any) -> str:
    """Read a hash: ``sha256-BASE64``, ``sha256:`` with hexadecimal or Nix's own digits, or an object of these."""
    if isinstance(written, Mapping):
        written = f"{written['algorithm']}-{written['hash']}" if "hash" in written else written["value"]
    kind, digits = written[: len(_SHA256)], written[len(_SHA256) + 1 :]
    if kind != _SHA256:
        raise ValueError(kind)
    if written[len(_SHA256)] == "-":
        return base64.b64decode(digits, validate=True).hex()
    if len(digits) == _HEX_DIGITS:
        return bytes.fromhex(digits).hex()
    return _from_base32(digits).hex()


def _from_base32(digits: str) -> bytes:
    # The last digit is the lowest, and the first byte comes first: https://nix.dev/manual/nix/latest/protocols/base32
    number = 0
    for digit in digits:
        number = number * 32 + _NIX_BASE32.index(digit)
    return number.to_bytes(32, "little")
