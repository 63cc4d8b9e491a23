"""A binary cache in a folder of this machine."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, TypeVar

import anyio.to_thread
import attrs

from ekaci_cache_backends.nix_copy.trouble import Trouble
from ekaci_core.api import Lease

_MODE: Final = 0o644
_LATER: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOENT, errno.ETIMEDOUT})

Result = TypeVar("Result")


@attrs.frozen
class FolderShelf:
    """Writes files by giving them their name when they are whole."""

    _folder: Path
    _limiter: anyio.CapacityLimiter

    async def absent(self, names: Collection[str]) -> frozenset[str]:
        """Look which narinfos are not there."""

        def look() -> frozenset[str]:
            there = {entry.name for entry in os.scandir(self._folder)}  # a folder that is not there would lack them all
            return frozenset(names) - there

        return await self._run(look)

    async def read(self, name: str) -> bytes | None:
        """Read a small file."""

        def read() -> bytes | None:
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

        return await self._run(read)

    async def put(self, name: str, file: Path) -> int:
        """Move a file there."""
        return await self._run(lambda: _place(file, self._folder / name))

    def cut(self) -> None:
        """Nothing goes on for long."""

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        except OSError as error:
            reason = f"{error.strerror} ({error.filename})"
            raise Trouble(reason, "see the folder and its rights", transient=error.errno in _LATER) from None


@attrs.frozen
class FolderShelves:
    """A folder, which is made when something is first pushed; the folder that it stands in must be there."""

    _folder: Path
    _limiter: anyio.CapacityLimiter

    @property
    def where(self) -> str:
        """The folder."""
        return f"file://{self._folder}"

    async def check(self) -> None:
        """A folder is on this machine."""

    async def open(self, lease: Lease) -> FolderShelf:
        """Make sure of it."""
        del lease

        def make() -> None:
            try:
                self._folder.mkdir(exist_ok=True)
            except OSError:
                return  # whoever uses it finds out

        await anyio.to_thread.run_sync(make, limiter=self._limiter)
        return FolderShelf(self._folder, self._limiter)


def _place(file: Path, target: Path) -> int:
    size = file.stat().st_size
    if target.exists() and target.stat().st_size == size:
        return 0
    target.parent.mkdir(exist_ok=True)
    try:
        file.chmod(_MODE)
        file.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as other:
            try:
                with file.open("rb") as source:
                    shutil.copyfileobj(source, other)
                Path(other.name).chmod(_MODE)
                Path(other.name).rename(target)
            except BaseException:
                Path(other.name).unlink(missing_ok=True)
                raise
    return size
