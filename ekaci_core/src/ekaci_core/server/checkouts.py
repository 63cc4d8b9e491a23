"""The checkouts of a review: in memory where that is no burden, else on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import attrs

from ekaci_core.evaluation import this_machine
from ekaci_core.git import checkout, prune_stale
from ekaci_core.model.event import ReviewSide
from ekaci_core.server.inputs import ReviewInputs

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder made in it is private
MEMORY_PERCENT: Final = 5
"""How much of the available memory one checkout may take."""

_ROOM_PARTS: Final = 4  # base, head, and as much again for whoever else uses the file system
_MIB: Final = 1024 * 1024


@attrs.frozen
class CheckoutFolders:
    """Where checkouts go. ``memory`` is None where there is no such place for us."""

    disk: Path
    memory: Path | None

    def holding(self, size: int, *, available_mib: int) -> Path:
        """Choose the folder for a checkout of so many bytes."""
        if self.memory is None or size > available_mib * _MIB * MEMORY_PERCENT // 100:
            return self.disk
        room = os.statvfs(self.memory)
        return self.memory if size * _ROOM_PARTS <= room.f_bavail * room.f_frsize else self.disk

    async def prune(self) -> None:
        """Remove what processes that are gone have left.

        Raises:
            InfrastructureFault: something cannot be removed.
        """
        for folder in (self.disk, self.memory):
            if folder is not None:
                await prune_stale(folder)


def private_folder(parent: Path = SHARED_MEMORY) -> Path | None:
    """Make this user's folder in a place that all users share, or find it; None where it is not ours alone.

    Others can make a folder, or a symbolic link, of that name before us; such a one is not used.
    """
    folder = parent / f"ekaci-{os.geteuid()}"
    try:
        shared = parent.stat()
        if shared.st_mode & stat.S_IWOTH and not shared.st_mode & stat.S_ISVTX:
            return None  # anybody could put another folder in its place
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None  # not a Linux, or not writable
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077
    return folder if ours else None


class Checkouts:
    """The files of both sides, written when they are first asked for."""

    def __init__(self, inputs: ReviewInputs, folders: CheckoutFolders, stack: AsyncExitStack) -> None:
        self._inputs = inputs
        self._folders = folders
        self._stack = stack
        self._paths: dict[ReviewSide, Path] = {}
        self._lock = anyio.Lock()

    async def of(self, side: ReviewSide) -> Path:
        """Return where the files of a side are; they stay until the context of `opened` closes."""
        async with self._lock:
            if side not in self._paths:
                self._paths[side] = await self._write(side)
            return self._paths[side]

    async def _write(self, side: ReviewSide) -> Path:
        repository, revision = self._inputs.repository, self._inputs.revision(side)
        size = await repository.size_on_disk(revision)
        folder = self._folders.holding(size, available_mib=this_machine().available_mib)
        return await self._stack.enter_async_context(checkout(repository, revision, folder))

    @classmethod
    @asynccontextmanager
    async def opened(cls, inputs: ReviewInputs, folders: CheckoutFolders) -> AsyncIterator[Checkouts]:
        """Open, and in the end remove what was written."""
        async with AsyncExitStack() as stack:
            yield cls(inputs, folders, stack)
