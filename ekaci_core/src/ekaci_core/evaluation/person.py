"""What expressions read of the person who evaluates: the home directory and nixpkgs' configuration in it."""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from ekaci_core.model.ids import STORE_DIR

MOST_ENTRIES: Final = 2000
MOST_BYTES: Final = 8 * 2**20

_READ_BY_EXPRESSIONS: Final = ("HOME", "USER", "LOGNAME")


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def person_digest(
    environment: Mapping[str, str], *, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES
) -> str:
    """Digest the home directory's name and the contents of nixpkgs' configuration files and overlays.

    Links are followed, but not into the Nix store, where nothing changes. What cannot be read, or is more than the
    limits, is never equal to another: then no evaluation is known from before.

    Args:
        environment: that of the evaluator.
        most_entries: files, folders and links to look at.
        most_bytes: the size of all files together.
    """
    digest = hashlib.sha256()
    for name in _READ_BY_EXPRESSIONS:
        _add(digest, name, environment.get(name, ""))
    try:
        budget = _Budget(most_entries, most_bytes)
        for place in _places(environment):
            _walk(digest, place, budget, ())
    except (OSError, _TooMuch):
        return uuid.uuid4().hex
    return digest.hexdigest()


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    # nixpkgs looks below ~/.config whatever XDG_CONFIG_HOME says; other expressions may not.
    places = []
    if home := environment.get("HOME"):
        places += [Path(home, ".config/nixpkgs"), Path(home, ".nixpkgs")]
    if config := environment.get("XDG_CONFIG_HOME"):
        places.append(Path(config, "nixpkgs"))
    yield from dict.fromkeys(places)


class _TooMuch(Exception):
    """The limits are exceeded."""


class _Budget:
    def __init__(self, entries: int, size: int) -> None:
        self._entries, self._bytes = entries, size

    def spend(self, size: int) -> None:
        self._entries -= 1
        self._bytes -= size
        if self._entries < 0 or self._bytes < 0:
            raise _TooMuch


def _walk(digest: _Hash, path: Path, budget: _Budget, above: tuple[tuple[int, int], ...]) -> None:
    if not path.is_symlink() and not path.exists():
        return
    budget.spend(0)
    if path.is_symlink():
        target = os.path.realpath(path)
        _add(digest, "link", f"{path} {target}")
        if target.startswith(f"{STORE_DIR}/") or not os.path.lexists(target):
            return
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        _add(digest, "folder", str(path))
        for entry in sorted(path.iterdir()):
            _walk(digest, entry, budget, (*above, here))
    elif stat.S_ISREG(status.st_mode):
        budget.spend(status.st_size)
        _add(digest, "file", str(path))
        _add(digest, "contents", hashlib.sha256(path.read_bytes()).hexdigest())


def _add(digest: _Hash, kind: str, text: str) -> None:
    digest.update(f"{kind} {text}".encode(errors="surrogateescape") + b"\0")
