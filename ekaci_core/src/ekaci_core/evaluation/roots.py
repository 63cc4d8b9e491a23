"""Directories of gc roots, one an evaluation, and the locks that say who is using them.

A lock is a file beside the directory, locked by the kernel: shared by whoever uses the evaluation, alone by whoever
removes it. A process that is killed has let go of it. A process holds the lock before it makes the directory. Whoever
makes the evaluation has, besides, the directory itself locked alone, so that no two continue the same one.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from ekaci_core.model.errors import InfrastructureFault

_NAME: Final = re.compile(r"evaluation-[0-9a-f]{32}")
_LOCK: Final = ".lock"


class Lease:
    """A hold on one directory; ends with `release` or with the process."""

    def __init__(self, directory: Path, descriptor: int) -> None:
        """Take over a locked file."""
        self.directory = directory
        self._descriptors = [descriptor]

    def make(self) -> bool:
        """Become the one who makes the evaluation; False if another is.

        Raises:
            OSError: the directory cannot be opened or locked.
        """
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._descriptors.append(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go; a second time does nothing."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def remove(self) -> None:
        """Remove the directory and the lock with it, then let go."""
        with _explained(self.directory):
            if self.directory.exists():
                shutil.rmtree(self.directory)
            _lock_file(self.directory).unlink(missing_ok=True)
        self.release()


class Roots:
    """All directories of one database."""

    def __init__(self, directory: Path) -> None:
        """Keep them below ``directory``, which is made when it is needed."""
        self._directory = directory

    @classmethod
    def at(cls, directory: Path) -> Self:
        """Keep them below a directory, whatever way leads to it."""
        return cls(Path(os.path.realpath(directory)))

    def new(self) -> Lease:
        """Make an empty directory, and hold it to make an evaluation.

        Raises:
            InfrastructureFault: it cannot be made.
        """
        directory = self._directory / f"evaluation-{uuid.uuid4().hex}"
        with _explained(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            lease = _hold(directory, fcntl.LOCK_SH)
            if lease is None:
                raise InfrastructureFault(
                    "the new directory of gc roots is locked", where=str(directory), do="Run again."
                )
            try:
                directory.mkdir()
                lease.make()
            except BaseException:
                lease.release()
                raise
        return lease

    def use(self, gc_roots: str) -> Lease | None:
        """Hold an evaluation's directory; None if it is gone, being removed, or another database's."""
        directory = Path(gc_roots)
        if directory.parent != self._directory or not directory.is_dir():
            return None
        with _explained(directory):
            lease = _hold(directory, fcntl.LOCK_SH)
        if lease is not None and not directory.is_dir():
            lease.remove()
            return None
        return lease

    def take_up(self, gc_roots: str) -> Lease | None:
        """Hold an unfinished evaluation's directory, to continue it; None as `use`, and if another makes it."""
        lease = self.use(gc_roots)
        if lease is None:
            return None
        alone = False
        try:
            with _explained(lease.directory):
                alone = lease.make()
        finally:
            if not alone:
                lease.release()
        return lease if alone else None

    def take_over(self, directory: Path) -> Lease | None:
        """Hold a directory alone, to remove it; None if anyone uses it."""
        with _explained(directory):
            return _hold(directory, fcntl.LOCK_EX)

    def present(self) -> list[Path]:
        """List the directories and those of which only the lock is left."""
        with _explained(self._directory):
            if not self._directory.is_dir():
                return []
            names = {entry.name.removesuffix(_LOCK) for entry in os.scandir(self._directory)}
        return [self._directory / name for name in sorted(names) if _NAME.fullmatch(name)]


def _lock_file(directory: Path) -> Path:
    return directory.with_name(directory.name + _LOCK)


def _hold(directory: Path, how: int) -> Lease | None:
    path = _lock_file(directory)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_still(path, descriptor):
            return Lease(directory, descriptor)
        os.close(descriptor)  # whoever removed the directory held this file; the next one is new


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def _explained(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InfrastructureFault(
            f"gc roots cannot be kept ({error.strerror})",
            where=str(where),
            do="Check the free space and the permissions of this directory.",
        ) from error
