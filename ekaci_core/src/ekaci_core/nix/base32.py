"""Nix's base 32, and the hashes that are written in it."""

from __future__ import annotations

import base64
import binascii
from typing import Final

ALPHABET: Final = "0123456789abcdfghijklmnpqrsvwxyz"
_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}
_SIZES: Final = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}


def encode(data: bytes) -> str:
    """Write bytes as Nix does: five bits a character, the last bits first."""
    number = int.from_bytes(data, "little")
    length = (len(data) * 8 + 4) // 5
    return "".join(ALPHABET[(number >> (5 * at)) & 31] for at in range(length - 1, -1, -1))


def decode(text: str, size: int) -> bytes:
    """Read ``size`` bytes.

    Raises:
        ValueError: the text does not hold that many.
    """
    if len(text) != (size * 8 + 4) // 5:
        raise ValueError("wrong length")
    number = 0
    for character in text:
        if character not in _VALUES:
            raise ValueError("not in base 32")
        number = number << 5 | _VALUES[character]
    try:
        return number.to_bytes(size, "little")
    except OverflowError:
        raise ValueError("too large") from None


def read_hash(text: str) -> tuple[str, bytes]:
    """Read ``sha256:…`` in base 32, 16 or 64, or ``sha256-…`` in base 64: the algorithm and the digest.

    Raises:
        ValueError: it is none of these.
    """
    algorithm, colon, digest = text.partition(":")
    if not colon:
        algorithm, _, digest = text.partition("-")
    size = _SIZES.get(algorithm)
    if size is None:
        raise ValueError("unknown algorithm")
    if colon and len(digest) == (size * 8 + 4) // 5:
        return algorithm, decode(digest, size)
    try:
        found = bytes.fromhex(digest) if colon and len(digest) == 2 * size else base64.b64decode(digest, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if len(found) != size:
        raise ValueError("wrong length")
    return algorithm, found
