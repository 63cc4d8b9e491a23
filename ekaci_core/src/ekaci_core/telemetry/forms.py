"""The forms in which a secret may stand in a log: as it is, in base64, in an address, in JSON, broken into lines."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 8
"""Shorter values are not masked: a region or a number stands everywhere, and masking it would hide what logs say."""
LONG: Final = 32
"""Of forms so long, a part is masked too: what a program wraps at a width of its own stands in no log as a whole."""

_MARKER: Final = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")
_LINE_ENDS: Final = "\n", "\r\n", "\\n", "\\r\\n", "\\\\n"


def forms(value: str) -> frozenset[bytes]:
    """Return the texts that give a secret away; none for one that is too short."""
    if len(value) < SHORTEST:
        return frozenset()
    stripped = value.strip()
    raw = value.encode(errors="surrogateescape")
    found = {quote(raw, safe="/"), quote(raw, safe=""), quote_plus(raw)}
    found |= {re.sub("%..", lambda code: code[0].lower(), each) for each in found}
    lines = set(_lines(stripped))
    found |= lines
    if not lines or min(map(len, lines)) < SHORTEST:  # otherwise its lines say all of it, and are found much quicker
        found |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], value, stripped}
    plain = {each.encode(errors="surrogateescape") for each in found}
    return frozenset(each for each in plain | set(_in_base64(raw)) if len(each) >= SHORTEST)


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """What is left of it in base64 whatever stands before and behind it there: three ways, in two alphabets."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        # The characters that depend on this value alone: each stands for six bits.
        kept = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield kept
        yield kept.translate(bytes.maketrans(b"+/", b"-_"))


def _lines(text: str) -> Iterator[str]:
    """Lines of a text of several, which are printed with something before them, or joined, or wrapped anew."""
    lines = [line.strip() for line in text.replace("\\n", "\n").splitlines()]
    if len(lines) < 2:  # noqa: PLR2004 - one line is no text of several
        return
    body = [line for line in lines if line and not _MARKER.fullmatch(line)]
    yield "".join(body)
    if body and len(body[-1]) < SHORTEST and _MARKER.fullmatch(lines[-1]):
        short = body.pop()
        yield from (f"{short}{end}-----END" for end in _LINE_ENDS)
    for line in body:
        yield line
        yield json.dumps(line)[1:-1]
