"""Bare copies of repositories at forges, fetched into as reviews need it.

What comes from a forge is checked as it arrives, no hook or helper of anybody runs, and a token goes to git through its
environment: it stands in no argument, in no file, and in no message.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_core.api import CloneAccess, CommitSha, InfrastructureFault, RepositoryId, UsageFault
from ekaci_core.git.command import FILES_SECONDS, Git
from ekaci_core.git.faults import fault_of, last_words
from ekaci_core.git.repository import Repository, open_repository

MANY_PACKS: Final = 50
_ASIDE: Final = ".removed"
_REPACK_SECONDS: Final = 3600.0

_SETTINGS: Final = (
    ("transfer.fsckObjects", "true"),
    ("fetch.fsckObjects", "true"),
    # Old histories of many projects have these; Git's own forges let them pass.
    ("fetch.fsck.zeroPaddedFilemode", "ignore"),
    ("fetch.fsck.badTimezone", "ignore"),
    ("fetch.fsck.missingSpaceBeforeDate", "ignore"),
    ("fetch.unpackLimit", "1"),
    # A redirect to another host would take the token with it.
    ("http.followRedirects", "false"),
    ("credential.helper", ""),
    ("core.askPass", "true"),
)
_REF: Final = re.compile(r"refs/(?!.*(\.\.|//|@\{))[^\x00-\x20~^:?*\[\\\x7f]{1,400}(?<![./])")


@attrs.frozen
class Wanted:
    """What to fetch: a ``ref`` of the forge's repository, and the commit that is wanted from it, if one is known.

    Where the ref has moved on, the commit is asked for by its name, which forges allow for what refs once named.
    """

    ref: str
    sha: CommitSha | None = None


@attrs.frozen
class RemoteRefs:
    """What a forge's repository has: its branches and tags by full name, and the full name of its default branch."""

    commits: Mapping[str, CommitSha]
    default: str


class CommitGone(UsageFault):
    """The forge does not give out a commit any more: it was pushed over."""


class Mirrors:
    """All bare copies, ``HOST/OWNER/NAME.git`` below one folder."""

    def __init__(self, folder: Path) -> None:
        """Keep them in ``folder``."""
        self._folder = folder
        self._locks: dict[Path, anyio.Lock] = {}

    def path(self, repository: RepositoryId) -> Path:
        """Where the copy of a repository is, or would be. Forges tell names apart without regard to case."""
        return self._folder / repository.forge.replace(":", "+") / f"{repository.path.lower()}.git"

    async def fetch(
        self, repository: RepositoryId, access: CloneAccess, wanted: Sequence[Wanted]
    ) -> tuple[Repository, tuple[CommitSha, ...]]:
        """Bring refs up to date; return the copy and the commit that stands for each.

        Raises:
            CommitGone: a commit is not to be had any more.
            UsageFault: a ref is unknown there, or cannot be the name of one.
            InfrastructureFault: the forge cannot be reached, or the disk is full.
        """
        path = self.path(repository)
        async with self._lock(path):
            if await anyio.to_thread.run_sync(_unlocked, path):
                _make(path)
                await Git(path).ask("init", "--quiet", "--bare", "--template=", ".")
            git = Git(path, settings=_protocols(access.url), variables=_headers(access))
            commits = [await _fetch(git, access.url, each, str(repository)) for each in wanted]
            return await open_repository(path), tuple(commits)

    async def tidy(self) -> None:
        """Put packs together where there are many: every fetch adds one, and git looks into each for each object.

        Raises:
            InfrastructureFault: git failed or took too long.
            UsageFault: git refuses one of the copies.
        """
        for path in await anyio.to_thread.run_sync(_many_packs, self._folder):
            async with self._lock(path):
                await Git(path).ask("repack", "-q", "-d", "--geometric=2", seconds=_REPACK_SECONDS)
                await Git(path).ask("pack-refs", "--all", seconds=FILES_SECONDS)

    async def remove_unused(self, keep: Collection[RepositoryId], *, before: float) -> int:
        """Remove the copies of repositories that are not to be kept and that nothing was fetched for since a time.

        Args:
            keep: repositories whose copies stay, however old they are.
            before: seconds since the epoch.

        Returns:
            How many were removed.

        Raises:
            InfrastructureFault: something cannot be removed.
        """
        kept = {self.path(repository) for repository in keep}
        removed = 0
        await anyio.to_thread.run_sync(_clear, self._folder)
        for path in await anyio.to_thread.run_sync(_copies, self._folder):
            if path in kept:
                continue
            async with self._lock(path):
                removed += await anyio.to_thread.run_sync(_removed, path, before)
        await anyio.to_thread.run_sync(_clear, self._folder)
        return removed

    async def refs(self, repository: RepositoryId, access: CloneAccess) -> RemoteRefs:
        """Ask for the branches and tags that a repository has now; tags stand for their commits.

        Raises:
            UsageFault: it has no default branch.
            InfrastructureFault: the forge cannot be reached.
        """
        git = Git(self._folder, settings=_protocols(access.url), variables=_headers(access))
        asked = ("ls-remote", "--symref", "--", access.url, "HEAD", "refs/heads/*", "refs/tags/*")
        answer = await git.ask(*asked, seconds=FILES_SECONDS, accept=(0, 128))
        if answer.status:
            said = last_words(answer.stderr)
            do = "see whether the forge can be reached"
            raise InfrastructureFault(f"git ls-remote failed: {said}", where=str(repository), do=do)
        return _refs(answer.text, str(repository))

    @asynccontextmanager
    async def _lock(self, path: Path) -> AsyncIterator[None]:
        async with self._locks.setdefault(path, anyio.Lock()):
            yield


def _unlocked(path: Path) -> bool:
    """Remove the locks of a git that was killed, since nobody but us works here; return whether it is to be made."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)  # it is in use
    for lock in (*path.glob("*.lock"), *path.glob("refs/**/*.lock")):  # no ref is named like that
        lock.unlink(missing_ok=True)
    return not all((path / name).exists() for name in ("HEAD", "config", "objects", "refs"))


def _copies(folder: Path) -> list[Path]:
    return [head.parent for head in folder.rglob("*.git/HEAD")]


def _removed(path: Path, before: float) -> bool:
    """Set a copy aside unless it was used since: what is half removed must not be taken for a copy."""
    try:
        if path.stat().st_mtime >= before:
            return False
        path.rename(path.with_name(f"{path.name}{_ASIDE}"))
    except OSError as error:
        raise _not_removed(error, path) from error
    return True


def _clear(folder: Path) -> None:
    """Remove what was set aside, now or by a server that was killed, and owners' directories without any other."""
    try:
        for aside in list(folder.rglob(f"*.git{_ASIDE}")):
            shutil.rmtree(aside)
            with contextlib.suppress(OSError):  # others of the same owner are there
                aside.parent.rmdir()
    except OSError as error:
        raise _not_removed(error, folder) from error


def _not_removed(error: OSError, where: Path) -> InfrastructureFault:
    what = f"the copy of a repository cannot be removed: {error.strerror}"
    return InfrastructureFault(what, where=str(where), do="see to its permissions")


def _many_packs(folder: Path) -> list[Path]:
    return [path for path in _copies(folder) if sum(1 for _ in path.glob("objects/pack/*.pack")) > MANY_PACKS]


def _refs(text: str, shown: str) -> RemoteRefs:
    commits: dict[str, CommitSha] = {}
    default = ""
    for line in text.splitlines():
        what, _, name = line.partition("\t")
        if name == "HEAD" and what.startswith("ref: "):
            default = what.removeprefix("ref: ")
        elif name.startswith("refs/"):
            commits[name.removesuffix("^{}")] = CommitSha.parse(what)  # what a tag stands for comes after the tag
    if default not in commits:
        raise UsageFault("it has no default branch, or nothing was pushed to that yet", where=shown)
    return RemoteRefs(commits, default)


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        what = f"the folder for a repository cannot be made: {error.strerror}"
        raise InfrastructureFault(what, where=str(path), do="see to its permissions") from error


def _protocols(url: str) -> tuple[tuple[str, str], ...]:
    local = url.startswith(("/", "file://"))
    return (*_SETTINGS, ("protocol.file.allow", "always")) if local else _SETTINGS


def _headers(access: CloneAccess) -> Mapping[str, str]:
    """Give git its headers by its environment: https://git-scm.com/docs/git-config#Documentation/git-config.txt-GITCONFIGCOUNT."""
    variables = {"GIT_CONFIG_COUNT": str(len(access.headers))} if access.headers else {}
    for number, (name, value) in enumerate(access.headers.items()):
        variables[f"GIT_CONFIG_KEY_{number}"] = f"http.{access.url}.extraHeader"
        variables[f"GIT_CONFIG_VALUE_{number}"] = f"{name}: {value.reveal()}"
    return variables


async def _fetch(git: Git, url: str, wanted: Wanted, shown: str) -> CommitSha:
    if not _REF.fullmatch(wanted.ref):
        raise UsageFault(f"{wanted.ref!r} cannot be a ref", where=shown)
    if wanted.sha is not None and await _has(git, wanted.sha):
        return wanted.sha
    own = f"refs/mirror/{wanted.ref.removeprefix('refs/')}"
    await _ask(git, url, f"+{wanted.ref}:{own}", shown)
    if wanted.sha is None:
        return await _at(git, own, shown)
    if not await _has(git, wanted.sha):
        await _ask(git, url, f"+{wanted.sha}:refs/mirror/commits/{wanted.sha}", shown, commit=wanted.sha)
    return wanted.sha


async def _ask(git: Git, url: str, refspec: str, shown: str, commit: CommitSha | None = None) -> None:
    answer = await git.ask(
        *(
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-gc",
            "--stdin",
        ),
        *("--", url),
        stdin=f"{refspec}\n".encode(),
        seconds=FILES_SECONDS,
        accept=(0, 1, 128),
    )
    if answer.status == 0:
        return
    said = last_words(answer.stderr)
    if commit is not None and ("not our ref" in said or "unadvertised object" in said or "remote error" in said):
        raise CommitGone(f"commit {commit.short} is not there any more", where=shown, do="push again")
    if "couldn't find remote ref" in said:
        raise UsageFault(f"there is no {refspec[1:].partition(':')[0]}", where=shown)
    fault = fault_of("fetch", answer.stderr, shown)
    if isinstance(fault, InfrastructureFault):
        raise fault
    raise InfrastructureFault(f"git fetch failed: {said}", where=shown, do="see whether the forge can be reached")


async def _has(git: Git, sha: CommitSha) -> bool:
    answer = await git.ask("cat-file", "--batch-check", stdin=f"{sha}^{{commit}}\n".encode())
    return answer.text.startswith(f"{sha} commit ")


async def _at(git: Git, ref: str, shown: str) -> CommitSha:
    answer = await git.ask("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", accept=(0, 1))
    with contextlib.suppress(UsageFault):
        return CommitSha.parse(answer.text)
    raise UsageFault(f"{ref} names no commit", where=shown)
