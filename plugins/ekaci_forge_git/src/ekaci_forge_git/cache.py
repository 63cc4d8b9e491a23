"""The copy of a remote, and the look at it: at most five programs, however many branches there are."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path
from typing import Final

import anyio.to_thread

from ekaci_core.api import BadName, Branch, Clock, CommitSha, InfrastructureFault, Logger
from ekaci_forge_git.access import Access
from ekaci_forge_git.config import Remote
from ekaci_forge_git.git import Git, failed
from ekaci_forge_git.memory import Head, Memory, Seen, advance, number_of, read, told_apart, written

FETCH_SECONDS: Final = 3600.0
FILE_BYTES: Final = 1024 * 1024

_LINE: Final = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(refs/heads/[^\t\n]+)")
_SYMREF: Final = re.compile(r"ref: (refs/heads/[^\t\n]+)\tHEAD")
_ENTRY: Final = re.compile(rb"(100644|100755) blob ([0-9a-f]+) +(\d+)\t")
_FORMAT: Final = "--format=%(refname)%00%(objectname)%00%(contents:subject)%00%(authorname)"
_PULL: Final = "refs/pull/"
_MEMORY: Final = "ekaci-branches.json"


def ref_of(number: int) -> str:
    """Name the ref of a branch's head in the copy."""
    return f"{_PULL}{int(number)}/head"


class Cache:
    """A bare repository: each branch that is reviewed at the ref of its number, and the base."""

    def __init__(
        self, git: Git, remote: Remote, changes: tuple[str, ...], access: Access, *, clock: Clock, log: Logger
    ) -> None:
        """Take what is configured; `prepare` makes it ready."""
        self.git = git
        self.remote = remote
        self.memory = Memory()
        self._changes = changes
        self._access = access
        self._clock = clock
        self._log = log
        self._said: set[str] = set()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.git.folder

    async def prepare(self) -> None:
        """Make the copy where there is none, and read what was known.

        Raises:
            InfrastructureFault: the folder cannot be used.
        """
        try:
            there = await anyio.to_thread.run_sync(_made, self.path)
            if not there:
                where = str(self.remote.repository)
                await self.git.must("init", "--quiet", "--bare", "--template=", ".", where=where)
                # A review goes on with its commit although the branch was pushed over.
                await self.git.must("config", "uploadpack.allowAnySHA1InWant", "true", where=where)
            self.memory = await anyio.to_thread.run_sync(self._read)
        except OSError as error:
            raise self._disk(error) from error

    async def look(self) -> None:
        """Look at the remote, fetch what moved, and note it.

        Raises:
            InfrastructureFault: the remote does not answer, has no base branch, or the disk is full.
        """
        base, tips = await self._listed()
        branches = self._reviewed(tips, base)
        wanted = {branch: tips[branch] for branch in branches}
        known = {name: each.head for name, each in self.memory.open.items()}
        if wanted != known or (self.memory.base, self.memory.base_sha) != (base, tips[base]):
            seen = await self._fetched(base, branches, sorted(known.keys() - wanted.keys()))
            self.memory = advance(self.memory, seen, self._clock.now())
            try:
                await anyio.to_thread.run_sync(self._write)
            except OSError as error:
                raise self._disk(error) from error

    async def file(self, path: str, sha: CommitSha) -> bytes | None:
        """Read a plain file of at most 1 MiB."""
        if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
            return None
        listed = await self.git.ask("ls-tree", "-l", "-z", "--full-tree", str(sha), "--", path, quiet=True)
        entry = _ENTRY.match(listed.output)
        if listed.status or entry is None or int(entry[3]) > FILE_BYTES:
            return None
        where = str(self.remote.repository)
        return (await self.git.must("cat-file", "blob", entry[2].decode(), where=where, quiet=True)).output

    async def has(self, sha: CommitSha) -> bool:
        """Whether a commit is there."""
        return not (await self.git.ask("cat-file", "-e", f"{sha}^{{commit}}", quiet=True)).status

    async def _listed(self) -> tuple[Branch, dict[Branch, CommitSha]]:
        asked = ("ls-remote", "--symref", "--", self.remote.url, "HEAD", "refs/heads/*")
        done = await self.git.ask(*asked, secrets=await self._access.variables())
        where = str(self.remote.repository)
        if done.status:
            raise failed(asked, done, where)
        tips: dict[Branch, CommitSha] = {}
        default = None
        for line in done.text.splitlines():
            if named := _SYMREF.fullmatch(line):
                default = self._branch(named[1])
            elif (tip := _LINE.fullmatch(line)) and (branch := self._branch(tip[2])):
                tips[branch] = CommitSha.parse(tip[1])
        base = self.remote.base or default
        if base is None or base not in tips:
            do = "push to it, or name another with base"
            raise InfrastructureFault(f"there is no branch {base or 'that HEAD names'}", where=where, do=do)
        return base, tips

    def _branch(self, ref: str) -> Branch | None:
        name = ref.removeprefix("refs/heads/")
        try:
            if "\ufffd" not in name:
                return Branch.parse(name)
        except BadName:
            pass  # said below, once
        self._say_once("branch_name_not_taken", name)
        return None

    def _reviewed(self, tips: dict[Branch, CommitSha], base: Branch) -> tuple[Branch, ...]:
        patterns = [pattern.replace("[", "[[]").replace("?", "[?]") for pattern in self._changes]
        matching = (each for each in tips if any(fnmatch.fnmatchcase(each, pattern) for pattern in patterns))
        kept, refused = told_apart((each for each in matching if each != base), self.memory.open)
        for branch in refused:
            self._say_once("branch_number_taken", branch)
        return kept

    async def _fetched(self, base: Branch, branches: tuple[Branch, ...], gone: list[str]) -> Seen:
        where, tip = str(self.remote.repository), f"refs/heads/{base}"
        specs = [f"+{tip}:{tip}", *(f"+refs/heads/{each}:{ref_of(number_of(each))}" for each in branches)]
        words = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--stdin")
        stdin = "".join(f"{each}\n" for each in specs).encode()
        variables = await self._access.variables()
        options = {"stdin": stdin, "secrets": variables, "seconds": FETCH_SECONDS}
        await self.git.must(*words, "--", self.remote.url, where=where, **options)
        if base != self.memory.base:
            await self.git.must("symbolic-ref", "HEAD", tip, where=where)
        listed = await self.git.must("for-each-ref", _FORMAT, tip, _PULL, where=where, quiet=True)
        heads = {ref: rest for ref, *rest in (line.split("\0") for line in listed.text.split("\n") if line)}
        merged = await self._merged(base, gone) if gone else frozenset()
        found = tuple(_head(each, heads[ref_of(number_of(each))]) for each in branches)
        return Seen(base, CommitSha.parse(heads[tip][0]), found, merged)

    async def _merged(self, base: Branch, gone: list[str]) -> frozenset[str]:
        asked = ("for-each-ref", "--format=%(refname)", f"--merged=refs/heads/{base}", _PULL)
        listed = await self.git.must(*asked, where=str(self.remote.repository), quiet=True)
        refs = set(listed.text.splitlines())
        return frozenset(name for name in gone if ref_of(number_of(name)) in refs)

    def _say_once(self, event: str, name: str) -> None:
        if name not in self._said:
            self._said.add(name)
            self._log.warning(event, repository=str(self.remote.repository), branch=repr(name[:200]))

    def _read(self) -> Memory:
        place = self.path / _MEMORY
        if not place.exists():
            return Memory()
        try:
            return read(place.read_bytes())
        except ValueError as error:
            # All branches are news again, which does no harm.
            self._log.warning("branches_forgotten", path=str(place), reason=str(error))
            return Memory()

    def _write(self) -> None:
        new = self.path / f"{_MEMORY}.new"
        new.write_bytes(written(self.memory))
        new.replace(self.path / _MEMORY)

    def _disk(self, error: OSError) -> InfrastructureFault:
        what = f"the copy of the remote cannot be kept: {error.strerror}"
        return InfrastructureFault(what, where=str(self.path), do="see to its permissions and the space there")


def _head(branch: Branch, told: list[str]) -> Head:
    sha, title, author = told
    return Head(branch, CommitSha.parse(sha), title, author)


def _made(path: Path) -> bool:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(path, 0o700)  # noqa: PTH101 - as mkdir would, had it been new
    for lock in (*path.glob("*.lock"), *path.glob("refs/**/*.lock")):  # of a git that was killed
        lock.unlink(missing_ok=True)
    return all((path / name).exists() for name in ("HEAD", "config", "objects", "refs"))
