"""Repositories, people and pull requests as forges know them."""

from __future__ import annotations

import enum
import re
from typing import Final, Self

import attrs

from ekaci_core.model.errors import BadName
from ekaci_core.model.ids import CommitSha

# GitHub: letters, digits, ".", "-" and "_" (".github" is a common name); GitLab has nested groups. A part that begins
# with "-" could be taken for an option; "." and ".." lead elsewhere, and ".git" is git's own.
_PART: Final = r"(?!\.{1,2}(?:/|$)|\.git(?:/|$))[A-Za-z0-9_.][A-Za-z0-9_.\-]{0,254}"
_PATH: Final = re.compile(rf"{_PART}(/{_PART}){{1,20}}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.\-]{0,250}[A-Za-z0-9])?(:[0-9]{1,5})?")
# What git-check-ref-format(1) allows, without what begins like an option.
_REF: Final = re.compile(
    r"(?!-)(?!.*(\.\.|@\{|//|/\.|\.lock(/|$)))[^\x00-\x20~^:?*\[\\\x7f\ud800-\udfff]{1,250}(?<![./])"
)


@attrs.frozen(order=True)
class RepositoryId:
    """A repository at a forge: ``forge`` is the host (with a port where it is not the usual one), ``path`` the rest."""

    forge: str
    path: str

    @classmethod
    def parse(cls, forge: str, path: str) -> Self:
        """Check both.

        Raises:
            BadName: one is not what its name says.
        """
        if not _HOST.fullmatch(forge):
            raise BadName("forge's host", forge)
        if not _PATH.fullmatch(path) or path.endswith(".git"):
            raise BadName("repository", path)
        return cls(forge.lower(), path)

    @property
    def owner(self) -> str:
        """The user, organisation or group, nested ones included."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.forge}/{self.path}"


class Branch(str):
    """The short name of a branch, as ``release/25.05``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check ``text``; ``refs/heads/`` in front is taken away.

        Raises:
            BadName: no branch can have that name.
        """
        name = text.removeprefix("refs/heads/")
        if not _REF.fullmatch(name):
            raise BadName("branch", text)
        return cls(name)


@attrs.frozen
class Person:
    """An account. ``login`` can change and be taken by another; ``id`` is the forge's own number and stays."""

    login: str
    id: int


class Permission(enum.IntEnum):
    """What an account may do in a repository, each level including those before."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5


class PullRequestState(enum.Enum):
    """Whether it can still be merged."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@attrs.frozen
class PullRequest:
    """A pull request, or merge request, as the forge described it last.

    Attributes:
        repository: the one that it is to be merged into.
        number: its number there.
        title: as its author wrote it; untrusted.
        author: who opened it.
        state: whether it is open.
        draft: whether its author says that it is not ready.
        base: the branch that it is to be merged into.
        base_sha: where that branch was, as far as the forge said.
        head: the branch that it comes from.
        head_sha: the newest commit.
        head_repository: where that branch is; None where that repository is gone.
        updated_at: the forge's time of the last change, in seconds since the epoch; older news is dropped.
    """

    repository: RepositoryId
    number: int
    title: str
    author: Person
    state: PullRequestState
    draft: bool
    base: Branch
    base_sha: CommitSha
    head: Branch
    head_sha: CommitSha
    head_repository: RepositoryId | None
    updated_at: float

    @property
    def is_from_fork(self) -> bool:
        """Whether its commits come from another repository, or from one that is gone."""
        return self.head_repository is None or self.head_repository.path.lower() != self.repository.path.lower()
