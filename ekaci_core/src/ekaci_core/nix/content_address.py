"""Store paths that follow from contents, so that nobody has to sign for them.

See https://nix.dev/manual/nix/latest/protocols/store-path for the rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from ekaci_core.model.ids import StorePath
from ekaci_core.nix import base32


def follows_from(address: str, path: StorePath, references: Collection[StorePath]) -> bool:
    """Say whether ``path``, with these references, is where contents of this address belong.

    Args:
        address: ``text:sha256:…``, ``fixed:sha256:…`` or ``fixed:r:sha256:…``; any other is of no such path.
        path: the one in question; it may be among its own references.
        references: all that the contents refer to.
    """
    kind, _, rest = address.partition(":")
    recursive = kind == "fixed" and rest.startswith("r:")
    try:
        algorithm, digest = base32.read_hash(rest.removeprefix("r:") if recursive else rest)
    except ValueError:
        return False
    hexadecimal = f"{algorithm}:{digest.hex()}"
    others = sorted(each for each in references if each != path)
    refers_to_itself = len(others) < len(references)
    if kind == "text" and algorithm == "sha256" and not refers_to_itself:
        return path == _store_path(path, ":".join(["text", *others]), hexadecimal)
    if kind != "fixed":
        return False
    if recursive and algorithm == "sha256":
        ending = ["self"] if refers_to_itself else []
        return path == _store_path(path, ":".join(["source", *others, *ending]), hexadecimal)
    if references:
        return False
    inner = hashlib.sha256(f"fixed:out:{'r:' if recursive else ''}{hexadecimal}:".encode()).hexdigest()
    return path == _store_path(path, "output:out", f"sha256:{inner}")


def _store_path(like: StorePath, kind: str, digest: str) -> str:
    folder = like.rpartition("/")[0]
    whole = hashlib.sha256(f"{kind}:{digest}:{folder}:{like.name}".encode()).digest()
    short = bytearray(20)
    for at, byte in enumerate(whole):
        short[at % 20] ^= byte
    return f"{folder}/{base32.encode(bytes(short))}-{like.name}"
