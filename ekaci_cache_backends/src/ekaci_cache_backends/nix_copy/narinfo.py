"""The small files of a binary cache."""

from __future__ import annotations

from typing import Final

import attrs

from ekaci_core.api import StorePath

CACHE_INFO: Final = "nix-cache-info"
_KINDS: Final = {
    ".narinfo": "text/x-nix-narinfo",
    ".ls": "application/json",
    ".json": "application/json",
    ".drv": "text/plain; charset=utf-8",
    CACHE_INFO: "text/x-nix-cache-info",
}
_NAR: Final = "application/x-nix-nar"


@attrs.frozen
class Narinfo:
    """What is read of one: where its NAR is, and base names of what it refers to."""

    url: str
    references: tuple[str, ...]


def narinfo_name(path: StorePath) -> str:
    """Return the name of the file that tells of a path."""
    return f"{path.hash_part}.narinfo"


def parse_narinfo(text: str) -> Narinfo:
    """Read what Nix has just written."""
    fields = dict(line.partition(": ")[::2] for line in text.splitlines())
    return Narinfo(fields["URL"], tuple(fields.get("References", "").split()))


def stub(path: str) -> str:
    """Write a narinfo for a path that is elsewhere: Nix writes no path whose references it does not find beside it."""
    return f"StorePath: {path}\nURL: nar/elsewhere\nCompression: none\nNarHash: sha256:{'0' * 52}\nNarSize: 1\n"


def store_folder(cache_info: bytes) -> str | None:
    """Return which store a cache is for, as its ``nix-cache-info`` says."""
    for line in cache_info.decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "StoreDir":
            return value.strip()
    return None


def kind_of(name: str) -> str:
    """Return the content type of a file, as Nix gives it."""
    if name.startswith("nar/"):
        return _NAR
    return next((kind for end, kind in _KINDS.items() if name.endswith(end)), "application/octet-stream")
