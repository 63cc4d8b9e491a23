"""What a binary cache says: of itself in ``nix-cache-info``, of a store object in ``<hash>.narinfo``."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Final

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ekaci_core.model.errors import BadName, InfrastructureFault
from ekaci_core.model.ids import STORE_DIR, StorePath
from ekaci_core.nix import base32
from ekaci_core.nix.content_address import follows_from

NARINFO_BYTES: Final = 1024 * 1024
"""The longest that is read; a real one has some hundred bytes and 60 for each reference."""

DEFAULT_PRIORITY: Final = 50

# 256 bits leave room for one in the first character.
_NIXS_HASH: Final = re.compile(r"sha256:[01][0-9a-df-np-sv-z]{51}")

PublicKeys = Mapping[str, Ed25519PublicKey]
"""By name."""


class Corrupt(ValueError):
    """It is not what a binary cache says."""


@attrs.frozen
class NarInfo:
    """What a cache has of one store object.

    ``nar_hash`` is the digest of its archive in Nix's notation, ``content_address`` empty for all but objects whose
    path follows from their contents.
    """

    path: StorePath
    nar_hash: str
    nar_size: int
    references: tuple[StorePath, ...]
    signatures: tuple[str, ...] = ()
    content_address: str = ""

    @property
    def fingerprint(self) -> str:
        """What is signed."""
        return f"1;{self.path};{self.nar_hash};{self.nar_size};{','.join(self.references)}"

    def is_trusted(self, keys: PublicKeys) -> bool:
        """Say whether one of the keys signed it, or nobody has to, since its path follows from its contents."""
        return self._is_signed(keys) or (
            self.content_address != "" and follows_from(self.content_address, self.path, self.references)
        )

    def _is_signed(self, keys: PublicKeys) -> bool:
        for signature in self.signatures:
            name, _, encoded = signature.partition(":")
            key = keys.get(name)
            if key is None:
                continue
            try:
                key.verify(base64.b64decode(encoded), self.fingerprint.encode())
            except (InvalidSignature, binascii.Error, ValueError):
                continue
            return True
        return False


@attrs.frozen
class CacheInfo:
    """What a cache says of itself; of two the one with the smaller ``priority`` is asked first."""

    store: str = STORE_DIR
    priority: int = DEFAULT_PRIORITY


def parse_narinfo(data: bytes, *, store: str = STORE_DIR) -> NarInfo:
    """Read a ``.narinfo``.

    Raises:
        Corrupt: it cannot be read, or says less than Nix asks for.
    """
    single: dict[str, str] = {}
    signatures = []
    for name, value in _lines(data):
        if name == "Sig":
            signatures.append(value)
        elif name in single and name in ("References", "StorePath", "Deriver", "CA"):
            raise Corrupt(f"{name} stands there twice")
        else:
            single[name] = value
    try:
        if not single["URL"]:
            raise Corrupt("it has no URL")
        nar_hash = _in_nixs_notation(single["NarHash"])
        size = int(single["NarSize"])
        path = StorePath.parse(single["StorePath"])
        references = sorted({StorePath.parse(f"{store}/{each}") for each in single.get("References", "").split()})
    except KeyError as missing:
        raise Corrupt(f"it has no {missing.args[0]}") from None
    except (ValueError, BadName) as error:
        raise Corrupt(str(error)) from None
    if size <= 0 or single["StorePath"] != f"{store}/{path.base_name}":
        raise Corrupt("NarSize or StorePath is not right")
    return NarInfo(
        path,
        nar_hash,
        size,
        tuple(references),
        tuple(signatures),
        single.get("CA", ""),
    )


def parse_cache_info(data: bytes) -> CacheInfo:
    """Read a ``nix-cache-info``; what it does not say has Nix's default.

    Raises:
        Corrupt: it cannot be read.
    """
    found = dict(_lines(data, strict=False))
    try:
        return CacheInfo(found.get("StoreDir", STORE_DIR), int(found.get("Priority", DEFAULT_PRIORITY)))
    except ValueError:
        raise Corrupt("Priority is no number") from None


def public_keys(texts: Iterable[str]) -> dict[str, Ed25519PublicKey]:
    """Read ``trusted-public-keys``: ``<name>:<base 64>``.

    Raises:
        InfrastructureFault: one is no such key; Nix would not work with it either.
    """
    keys = {}
    for text in texts:
        name, _, encoded = text.partition(":")
        try:
            keys[name] = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded, validate=True))
        except (ValueError, binascii.Error):
            raise InfrastructureFault(
                f"the public key named {name!r} cannot be read", where="trusted-public-keys", do="mend nix.conf"
            ) from None
    return keys


def _in_nixs_notation(text: str) -> str:
    if _NIXS_HASH.fullmatch(text):
        return text
    algorithm, digest = base32.read_hash(text)
    return f"{algorithm}:{base32.encode(digest)}"


def _lines(data: bytes, *, strict: bool = True) -> list[tuple[str, str]]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Corrupt("it is not text") from None
    if strict and not text.endswith("\n"):
        raise Corrupt("its end is missing")
    found = []
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            if strict:
                raise Corrupt("a line has no colon")
            continue
        found.append((name, value.strip()))
    return found
