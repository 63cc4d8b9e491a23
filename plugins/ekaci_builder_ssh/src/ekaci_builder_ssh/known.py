"""What a machine is known to have: a memory of bounded size, never the machine's own word."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

_MOST: Final = 100_000


class KnownPaths:
    """Store paths that were seen on a machine; the oldest go first once there are too many."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._paths: dict[str, None] = {}

    def add(self, paths: Iterable[str]) -> None:
        """Remember paths, as the newest."""
        for path in paths:
            self._paths.pop(path, None)
            self._paths[path] = None
        while len(self._paths) > self._most:
            del self._paths[next(iter(self._paths))]

    def forget(self) -> None:
        """Remember nothing: the machine collects garbage."""
        self._paths.clear()

    def count(self, paths: Collection[str]) -> int:
        """Say how many of these are known."""
        return sum(path in self._paths for path in paths)

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Return those that are not known, in their order."""
        return [path for path in paths if path not in self._paths]
