"""A repository on this machine: its revisions, its files, its uncommitted state."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import anyio.to_thread
import attrs

from ekaci_core.git.command import FILES_SECONDS, Git
from ekaci_core.git.faults import fault_of
from ekaci_core.git.names import checked_ref, near_names, short_ref, source_name
from ekaci_core.model.errors import InfrastructureFault, UsageFault
from ekaci_core.model.ids import CommitSha, TreeHash
from ekaci_core.model.repository import Revision

FILE_LIMIT: Final = 1024 * 1024
"""The largest file, in bytes, that `Repository.read_file` gives out."""

_PAGE: Final = 4096
_SYMLINK: Final = "120000"
_SUBMODULE: Final = "160000"
IDENTITY: Final = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "EkaCI"), ("EMAIL", "ekaci@localhost"), ("DATE", "1970-01-01T00:00:01Z"))
}
"""Whose commits are that no ref names; the same ones each time."""


@attrs.frozen
class TreeEntry:
    """One name in a tree. ``size`` is in bytes, None for what is not a file, and for a file that is lost."""

    mode: str
    kind: str
    object_id: str
    size: int | None
    path: str


@attrs.frozen
class Repository:
    """An open repository.

    ``top`` is the working tree's root, None for a bare repository; ``common_dir`` holds objects and refs, ``git_dir``
    index and HEAD. ``source_name`` is the last directory name of its checkouts.
    """

    directory: Path
    top: Path | None
    git_dir: Path
    common_dir: Path
    shallow: bool
    source_name: str

    @property
    def git(self) -> Git:
        """Git, started in this repository."""
        return Git(self.top or self.directory)

    async def resolve(self, ref: str) -> Revision:
        """Find the commit that ``ref`` names.

        Raises:
            UsageFault: there is none; says where it looked and what may have been meant.
        """
        revision = await self.find(ref)
        if revision is None:
            raise await self._unknown(ref)
        return revision

    async def find(self, ref: str) -> Revision | None:
        """Find the commit that ``ref`` names, None where there is none.

        Raises:
            UsageFault: ``ref`` cannot name a revision.
        """
        asked = f"{checked_ref(ref)}^{{commit}}\n{ref}^{{tree}}\n".encode(errors="surrogateescape")
        lines = (await self.git.ask("cat-file", "--batch-check", stdin=asked)).text.splitlines()
        found = [line.split(" ") for line in lines]
        if [fields[1] if len(fields) == 3 else None for fields in found] != ["commit", "tree"]:  # noqa: PLR2004 - the fields of --batch-check
            return None
        return Revision(CommitSha.parse(found[0][0]), TreeHash.parse(found[1][0]), label=ref)

    async def default_branch(self) -> str | None:
        """Name the branch that changes are merged into, as a full ref; None where nothing tells.

        It is what ``origin/HEAD`` says, else the first of ``init.defaultBranch``, ``main`` and ``master`` that
        exists, on ``origin`` before here. Where there is no ``origin`` but one other remote, that counts.
        """
        remotes = (await self.git.ask("remote")).text.splitlines()
        remote = "origin" if "origin" in remotes or len(remotes) != 1 else remotes[0]
        head = await self.git.ask("symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD", accept=(0, 1, 128))
        configured = await self.git.ask("config", "--get", "init.defaultBranch", accept=(0, 1))
        branches = dict.fromkeys(name for name in (configured.text, "main", "master") if name)
        candidates = [head.text] if head.status == 0 else []
        for branch in branches:
            candidates += [f"refs/remotes/{remote}/{branch}", f"refs/heads/{branch}"]
        for candidate in candidates:
            if await self.find(candidate) is not None:
                return candidate
        return None

    async def merge_base(self, base: Revision, head: Revision) -> Revision:
        """Find the commit where ``head`` left ``base``.

        Raises:
            UsageFault: they have no common history here; says how to fetch it where the clone is shallow.
        """
        answer = await self.git.ask("merge-base", base.commit, head.commit, accept=(0, 1))
        if answer.status == 0:
            commit = answer.text.splitlines()[0]
            return attrs.evolve(await self.resolve(commit), label=f"merge base with {base.label}")
        if self.shallow:
            raise UsageFault(
                f"this clone is shallow and does not reach the commit where {head.label} left {base.label}",
                where=str(self.directory),
                do="run `git fetch --unshallow`, or `git fetch --deepen=1000`",
            )
        raise UsageFault(
            f"{head.label} and {base.label} have no commit in common",
            where=str(self.directory),
            do="name the base with --base",
        )

    async def is_ancestor(self, older: Revision, newer: Revision) -> bool:
        """Whether ``newer`` contains ``older``."""
        answer = await self.git.ask("merge-base", "--is-ancestor", older.commit, newer.commit, accept=(0, 1))
        return answer.status == 0

    async def is_dirty(self) -> bool:
        """Whether the working tree holds changes or new files that are not committed; a bare one never does."""
        if self.top is None:
            return False
        answer = await self.git.ask("status", "--porcelain", "-z", "--untracked-files=normal", seconds=FILES_SECONDS)
        return bool(answer.stdout)

    async def working_tree_revision(self) -> Revision:
        """Record the working tree as it is: tracked and new files, not ignored ones.

        Neither the index nor a ref changes; the objects are written into the repository, where git collects them in
        time.

        Raises:
            UsageFault: there is no working tree, or no commit yet.
        """
        if self.top is None:
            raise UsageFault("a bare repository has no working tree", where=str(self.directory), do="name --head")
        head = await self.find("HEAD")
        if head is None:
            raise UsageFault("the repository has no commit yet", where=str(self.directory), do="make a first commit")
        with tempfile.TemporaryDirectory(prefix="ekaci-index-") as scratch:
            index = Path(scratch, "index")
            if (own := self.git_dir / "index").exists():
                # With its time: by that git knows which entries may have changed since within the clock's resolution.
                await anyio.to_thread.run_sync(shutil.copy2, own, index)
            git = attrs.evolve(self.git, variables={"GIT_INDEX_FILE": str(index)})
            await git.ask("add", "--all", "--", ":/", seconds=FILES_SECONDS)
            tree = TreeHash.parse((await git.ask("write-tree", seconds=FILES_SECONDS)).text)
        return Revision(head.commit, tree, label="working tree", dirty=tree != head.tree)

    async def commit_of(self, revision: Revision) -> CommitSha:
        """Name a commit whose tree is the revision's: its own, or one that no ref names for uncommitted changes."""
        if not revision.dirty:
            return revision.commit
        git = attrs.evolve(self.git, variables=IDENTITY)
        made = await git.ask("commit-tree", revision.tree, "-p", revision.commit, "-m", "uncommitted changes")
        return CommitSha.parse(made.text)

    async def names_at_root(self, revision: Revision) -> frozenset[str]:
        """Name the files at the root of a revision, symlinks included, directories not."""
        answer = await self.git.ask("ls-tree", "-z", "--full-tree", revision.tree)
        entries = (_entry(record) for record in answer.records)
        return frozenset(entry.path for entry in entries if entry.mode not in ("040000", _SUBMODULE))

    async def read_file(self, revision: Revision, path: str) -> bytes | None:
        """Read a file of a revision, None where there is none (or a directory).

        Raises:
            UsageFault: it, or a directory on the way to it, is a symlink; or it is larger than `FILE_LIMIT`.
        """
        entry = None
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            way = "/".join(parts[:depth])
            entry = await self._entry_at(revision, way)
            if entry is None:
                return None
            if entry.mode == _SYMLINK:
                raise UsageFault(
                    f"{way} is a symbolic link, which is not followed here",
                    where=f"{path} at {revision.label}",
                    do="put the file itself there",
                )
        if entry is None or entry.kind != "blob":
            return None
        if (entry.size or 0) > FILE_LIMIT:
            raise UsageFault(
                f"larger than {FILE_LIMIT} bytes ({entry.size})", where=f"{path} at {revision.label}", do="shorten it"
            )
        return (await self.git.ask("cat-file", "blob", entry.object_id)).stdout

    async def submodules(self, revision: Revision) -> tuple[str, ...]:
        """Name the submodules of a revision, which checkouts leave empty."""
        answer = await self.git.ask("ls-tree", "-r", "-z", "--full-tree", revision.tree, seconds=FILES_SECONDS)
        wanted = f"{_SUBMODULE} ".encode()
        return tuple(
            _entry(os.fsdecode(record)).path for record in answer.stdout.split(b"\0") if record.startswith(wanted)
        )

    async def size_on_disk(self, revision: Revision) -> int:
        """Say how many bytes a checkout of a revision takes, each file in whole pages; directories are left out."""
        answer = await self.git.ask("ls-tree", "-r", "-z", "-l", "--full-tree", revision.tree, seconds=FILES_SECONDS)
        sizes = (record.split(b"\t", 1)[0].rsplit(b" ", 1)[1] for record in answer.stdout.split(b"\0") if record)
        return sum(-(-int(size) // _PAGE) * _PAGE for size in sizes if size.isdigit())

    async def _entry_at(self, revision: Revision, path: str) -> TreeEntry | None:
        literal = attrs.evolve(self.git, variables={"GIT_LITERAL_PATHSPECS": "1"})
        answer = await literal.ask("ls-tree", "-z", "-l", "--full-tree", revision.tree, "--", path)
        return _entry(answer.records[0]) if answer.records else None

    async def _unknown(self, ref: str) -> UsageFault:
        refs = await self.git.ask("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes", "refs/tags")
        near = near_names(ref, (short_ref(name) for name in refs.text.splitlines()))
        advice = [f"did you mean {' or '.join(near)}?"] if near else []
        if self.shallow:
            advice.append("this clone is shallow: `git fetch --unshallow` brings the rest")
        else:
            advice.append("`git fetch` brings new branches and tags")
        return UsageFault(
            f"no branch, tag or commit {ref!r} in this repository", where=str(self.directory), do="; ".join(advice)
        )


async def open_repository(path: Path) -> Repository:
    """Find the repository that ``path`` lies in: a clone, a worktree, a submodule or a bare repository.

    Raises:
        UsageFault: there is none, or git does not trust its owner.
        InfrastructureFault: git is missing.
    """
    directory = _directory(path)
    questions = ("--is-inside-work-tree", "--is-shallow-repository", "--absolute-git-dir", "--git-common-dir")
    answer = await Git(directory).ask("rev-parse", *questions, accept=(0, 128))
    lines = answer.text.split("\n")
    if answer.status or len(lines) != len(questions):
        raise fault_of("rev-parse", answer.stderr, str(path))
    inside, shallow, git_dir, common_dir = lines
    top = None
    if inside == "true":
        top = Path((await Git(directory).ask("rev-parse", "--show-toplevel")).text)
    git_path = Path(git_dir)
    named = top or (git_path.parent if git_path.name == ".git" else git_path)
    return Repository(
        directory=top or directory,
        top=top,
        git_dir=git_path,
        common_dir=(directory / common_dir).resolve(),
        shallow=shallow == "true",
        source_name=source_name(named.name),
    )


def _directory(path: Path) -> Path:
    if not path.is_dir():
        what = "not a directory" if path.exists() else "no such directory"
        raise UsageFault(what, where=str(path), do="name a directory inside a git repository")
    try:
        return path.absolute()
    except FileNotFoundError:
        raise UsageFault("the current directory has been deleted", do="change to one that is there") from None


def _entry(record: str) -> TreeEntry:
    facts, _, path = record.partition("\t")
    fields = facts.split()
    if len(fields) < 3:  # noqa: PLR2004 - mode, type, object and perhaps size
        raise InfrastructureFault(f"git ls-tree printed {record!r}", do="check the repository with `git fsck`")
    size = fields[3] if len(fields) > 3 else "-"  # noqa: PLR2004 - see above
    return TreeEntry(fields[0], fields[1], fields[2], int(size) if size.isdecimal() else None, path)
