"""Planted secrets: what careless programs make of them, and how to tell whether one can still be read."""

from __future__ import annotations

import base64
import gzip
import json
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

WINDOW: Final = 12
"""So many characters of a secret in a row give it away."""
_WINDOW_IN_BASE64: Final = 40
_ZIPPED: Final = b"\x1f\x8b"


def shapes(value: str) -> dict[str, str]:
    """What a careless build may make of a secret, each with the part of it that must be gone."""
    raw = value.encode()
    made = {
        "plain": value,
        "json": json.dumps({"key": value}),
        "json in json": json.dumps(json.dumps({"key": value})),
        "url": quote(value, safe=""),
        "url, slashes left": quote(value),
        "url, small": re.sub("%..", lambda code: code[0].lower(), quote(value, safe="")),
        "form": quote_plus(value),
        "behind a name": f"error: KEY={value};",
        "prefixed": "\n".join(f"key> {line}" for line in value.splitlines()),
        "bound to one line": value.replace("\n", ""),
        "with carriage returns": value.replace("\n", "\r\n"),
    }
    for before in (b"", b"a", b"ab"):
        encoded = base64.b64encode(before + raw + b"and more").decode()
        made[f"base64 behind {len(before)}"] = encoded
        made[f"base64 for addresses behind {len(before)}"] = encoded.replace("+", "-").replace("/", "_")
        made[f"base64 in lines behind {len(before)}"] = "\n".join(textwrap.wrap(encoded, 76))
    return made


def gives_away(text: str, value: str) -> list[str]:
    """Parts of a secret, or of its base64, that can be read in a text."""
    flat = re.sub(r"\s|\\+n|key> ", "", text)
    found = [window for window in _windows(value) if window in text]
    return found + [window for window in _windows_in_base64(value) if window in flat]


def found_in(name: str, content: bytes, values: Iterable[str]) -> list[str]:
    """Say which secrets can be read in bytes, packed ones too; each with the name of where it was found."""
    text = (gzip.decompress(content) if content.startswith(_ZIPPED) else content).decode("latin-1")
    return [f"{name}: {parts[:3]}" for parts in (gives_away(text, value) for value in values) if parts]


def found_below(folder: Path, values: Iterable[str], *, but: Iterable[Path] = ()) -> list[str]:
    """Look into every file below a folder."""
    left_out = set(but)
    files = [path for path in folder.rglob("*") if path.is_file() and path not in left_out]
    assert files, folder
    return [each for path in files for each in found_in(str(path), path.read_bytes(), values)]


def _windows(value: str) -> list[str]:
    found: dict[str, None] = {}
    for line in value.splitlines():
        if line.startswith("-----"):
            continue
        url = quote(line, safe="")
        small = re.sub("%..", lambda code: code[0].lower(), url)
        for form in (line, url, small, quote(line), json.dumps(line)[1:-1]):
            found.update((form[at : at + WINDOW], None) for at in range(len(form) - WINDOW + 1))
    return list(found)


def _windows_in_base64(value: str) -> list[str]:
    found: dict[str, None] = {}
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value.encode()).decode()[4:-8]
        for form in (encoded, encoded.replace("+", "-").replace("/", "_")):
            last = max(len(form) - _WINDOW_IN_BASE64 + 1, 1)
            found.update((form[at : at + _WINDOW_IN_BASE64], None) for at in range(last))
    return list(found)
