"""Checkouts of revisions, side by side, that leave nothing behind.

These are no worktrees in git's own sense. Such a one holds a ``.git`` file with a path of its own, which becomes part
of every ``src = ./.``: base and head would never be the same, and no result would outlive its directory. It would
also be registered in the repository, where a killed review leaves it. Here the ``.git`` file says the same everywhere
(`GIT_LINK`), and points at a small git directory beside the checkout that borrows the repository's objects, so that
``builtins.fetchGit ./.`` works.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from ekaci_core.git.command import FILES_SECONDS, Git
from ekaci_core.git.environment import CHECKOUT_SETTINGS
from ekaci_core.git.repository import Repository
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.repository import Revision

GIT_LINK: Final = "gitdir: ../../git\n"

_PREFIX: Final = "checkout-"
_LOCK: Final = "lock"
_SHA1_DIGITS: Final = 40


@asynccontextmanager
async def checkout(repository: Repository, revision: Revision, parent_dir: Path) -> AsyncIterator[Path]:
    """Write a revision's files below ``parent_dir`` for as long as the context is open.

    The last part of the path is ``repository.source_name``, the same for every revision, because Nix names ``./.``
    after it. No hook runs, submodules stay empty, large files stay pointers, and neither the index nor the registered
    worktrees of the repository change.

    Raises:
        InfrastructureFault: it cannot be written, or not be removed afterwards.
    """
    try:
        place, lock = _claim(parent_dir)
    except OSError as error:
        raise _unwritable(parent_dir, error) from error
    try:
        try:
            root = _furnish(place, repository, await repository.commit_of(revision))
        except OSError as error:
            raise _unwritable(place, error) from error
        await _write_files(place, root, repository, revision)
        yield root
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_remove, place)
        os.close(lock)


async def prune_stale(parent_dir: Path) -> int:
    """Remove the checkouts of processes that are gone, and say how many there were.

    Raises:
        InfrastructureFault: one cannot be removed.
    """
    return await anyio.to_thread.run_sync(_prune, parent_dir)


def _claim(parent_dir: Path) -> tuple[Path, int]:
    # The kernel drops the lock when its process ends, however it ends. Between making the directory and locking it
    # somebody else's `prune_stale` may take it for stale; then another one is made.
    parent_dir.mkdir(parents=True, exist_ok=True)
    while True:
        place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent_dir))
        lock = _lock(place, create=True)
        if lock is not None:
            return place, lock


def _lock(place: Path, *, create: bool) -> int | None:
    try:
        lock = os.open(place / _LOCK, os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0), 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == (place / _LOCK).stat().st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def _furnish(place: Path, repository: Repository, commit: CommitSha) -> Path:
    git_dir = place / "git"
    (git_dir / "refs").mkdir(parents=True)
    (git_dir / "objects/info").mkdir(parents=True)
    (git_dir / "objects/info/alternates").write_bytes(os.fsencode(repository.common_dir / "objects") + b"\n")
    (git_dir / "HEAD").write_text(f"{commit}\n")
    modern = len(commit) > _SHA1_DIGITS
    config = f"[core]\n\trepositoryformatversion = {int(modern)}\n\tbare = false\n"
    (git_dir / "config").write_text(config + ("[extensions]\n\tobjectFormat = sha256\n" if modern else ""))
    if repository.shallow:
        shutil.copyfile(repository.common_dir / "shallow", git_dir / "shallow")
    root = place / "source" / repository.source_name
    root.mkdir(parents=True)
    (root / ".git").write_text(GIT_LINK)
    return root


async def _write_files(place: Path, root: Path, repository: Repository, revision: Revision) -> None:
    variables = {
        "GIT_DIR": str(repository.common_dir),
        "GIT_WORK_TREE": str(root),
        "GIT_INDEX_FILE": str(place / "git/index"),
    }
    git = Git(root, settings=CHECKOUT_SETTINGS, variables=variables)
    await git.ask("read-tree", "--reset", "-u", revision.tree, seconds=FILES_SECONDS)


def _prune(parent_dir: Path) -> int:
    removed = 0
    for place in sorted(parent_dir.glob(f"{_PREFIX}*")):
        lock = _lock(place, create=False)
        if lock is not None:
            try:
                _remove(place)
            finally:
                os.close(lock)
            removed += 1
        else:
            _remove_empty(place)  # its process ended before it had a lock, or after it had removed that
    return removed


def _remove(place: Path) -> None:
    # The lock goes last, so that nobody else takes what is being removed for abandoned.
    try:
        for entry in place.iterdir():
            if entry.name != _LOCK:
                shutil.rmtree(entry)
        (place / _LOCK).unlink()
    except OSError as error:
        raise InfrastructureFault(
            f"a checkout cannot be removed: {error.strerror}", where=str(error.filename), do=f"remove {place} by hand"
        ) from error
    _remove_empty(place)


def _remove_empty(place: Path) -> None:
    try:
        place.rmdir()
    except FileNotFoundError:
        return  # somebody else was faster
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _unwritable(place, error) from error


def _unwritable(place: Path, error: OSError) -> InfrastructureFault:
    return InfrastructureFault(
        f"a checkout cannot be written: {error.strerror}",
        where=str(error.filename or place),
        do="check the disk's space and permissions, or set XDG_CACHE_HOME to another place",
    )
