"""A cache that does as it is told, and a made-up store of paths, to drive pushes in tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

import anyio.lowlevel
import attrs

from ekaci_core.api import (
    AlreadyPresent,
    EkaciError,
    Pushed,
    PushFailed,
    PushOutcome,
    PushRequest,
    StorePath,
)
from ekaci_core.nix.path_info import PathInfo

_LETTERS: Final = "0123456789abcdfghijklmnpqrsvwxyz"


def store_path(name: str) -> StorePath:
    """Make up a path; equal names have equal paths."""
    digest = "".join(_LETTERS[(ord(name[at % len(name)]) * 5 + at) % 32] for at in range(32))
    return StorePath.parse(f"{digest}-{name}")


@attrs.define
class ScriptedCache:
    """Takes what it is not told to refuse.

    Attributes:
        has: what it holds.
        refused: paths that it refuses, with the reason; the whole push is refused with them where ``as_a_whole``.
        fault: what each call comes to while it is set.
        silent: it cannot say what it lacks: all of it.
        during: awaited in each push, before anything is taken.
        asked: the paths of each question.
        pushes: the paths of each push.
    """

    has: set[StorePath] = attrs.field(factory=set)
    refused: dict[StorePath, PushFailed] = attrs.field(factory=dict)
    as_a_whole: bool = False
    fault: EkaciError | None = None
    silent: bool = False
    during: Callable[[Sequence[StorePath]], Awaitable[object]] | None = None
    asked: list[frozenset[StorePath]] = attrs.field(factory=list)
    pushes: list[tuple[StorePath, ...]] = attrs.field(factory=list)

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """See `Cache`."""
        await anyio.lowlevel.checkpoint()
        self.asked.append(frozenset(paths))
        if self.silent:
            return frozenset(paths)
        if self.fault is not None:
            raise self.fault
        return frozenset(paths) - self.has

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """See `Cache`."""
        await anyio.lowlevel.checkpoint()
        self.pushes.append(tuple(request.paths))
        for path in request.paths:
            request.log(f"copying {path}\n".encode())
        if self.during is not None:
            await self.during(request.paths)
        if self.fault is not None:
            return {path: PushFailed(str(self.fault), transient=True) for path in request.paths}
        bad = [path for path in request.paths if path in self.refused]
        if bad and self.as_a_whole:
            return dict.fromkeys(request.paths, self.refused[bad[0]])
        return {path: self._take(path) for path in request.paths}

    def _take(self, path: StorePath) -> PushOutcome:
        if path in self.refused:
            return self.refused[path]
        if path in self.has:
            return AlreadyPresent()
        self.has.add(path)
        return Pushed(sent_bytes=100)


@attrs.define
class ScriptedPaths:
    """A made-up store of paths.

    Attributes:
        references: its paths and what each refers to.
        kept: what was to be kept from being collected.
        sizes: of archives, where they matter.
    """

    references: dict[StorePath, tuple[StorePath, ...]] = attrs.field(factory=dict)
    kept: list[StorePath] = attrs.field(factory=list)
    sizes: dict[StorePath, int] = attrs.field(factory=dict)

    def add(self, path: StorePath, *references: StorePath) -> StorePath:
        """Add a path."""
        self.references[path] = references
        return path

    async def infos(self, paths: Collection[StorePath], *, closure: bool = False) -> Mapping[StorePath, PathInfo]:
        """Describe those that are there."""
        await anyio.lowlevel.checkpoint()
        found: dict[StorePath, PathInfo] = {}
        waiting = [path for path in paths if path in self.references]
        while waiting:
            path = waiting.pop()
            if path not in found:
                found[path] = PathInfo(self.sizes.get(path, 100), self.references[path])
                waiting += self.references[path] if closure else ()
        return found

    async def keep(self, paths: Sequence[StorePath]) -> None:
        """Note what is to be kept."""
        await anyio.lowlevel.checkpoint()
        self.kept += paths

    async def release(self, *, but: Collection[StorePath], before: float) -> None:
        """Let go of all but these."""
        del before
        await anyio.lowlevel.checkpoint()
        self.kept = [path for path in self.kept if path in but]
