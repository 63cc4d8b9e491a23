"""What is known of a remote's branches, and how that changes: no I/O here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from ekaci_core.api import BadName, Branch, CommitSha, Person, PullRequest, PullRequestState, RepositoryId

KEPT_SECONDS: Final = 30 * 86_400.0
"""How long a branch that is gone is remembered."""

_LOGIN: Final = re.compile(r"[^A-Za-z0-9\-]+")
_LONGEST_LOGIN: Final = 39
_LONGEST_TITLE: Final = 250


def number_of(branch: str) -> int:
    """Number a branch: always the same for the same name, and never 0."""
    return int.from_bytes(hashlib.sha256(branch.encode()).digest()[:4]) & 0x7FFF_FFFF or 1


def person_of(name: str) -> Person:
    """Make an account of a commit's author: a remote has none, and whoever can push there may write."""
    login = _LOGIN.sub("-", name).strip("-")[:_LONGEST_LOGIN].strip("-") or "somebody"
    return Person(login, _person_id(login))


def is_made_here(person: Person) -> bool:
    """Whether an account is one that `person_of` makes."""
    return person == person_of(person.login)


def _person_id(login: str) -> int:
    return int.from_bytes(hashlib.sha256(f"git author {login}".encode()).digest()[:6]) or 1


@attrs.frozen
class Head:
    """A branch as the remote has it."""

    branch: Branch
    sha: CommitSha
    title: str
    author: str


@attrs.frozen
class Change:
    """A branch that is reviewed, or was. ``updated_at`` grows with each move, also to an older commit."""

    branch: Branch
    head: CommitSha
    base: Branch
    base_sha: CommitSha
    title: str
    author: str
    state: PullRequestState
    updated_at: float

    def pull_request(self, repository: RepositoryId) -> PullRequest:
        """Return it as the pull request that it stands for."""
        return PullRequest(
            repository=repository,
            number=number_of(self.branch),
            title=self.title,
            author=person_of(self.author),
            state=self.state,
            draft=False,
            base=self.base,
            base_sha=self.base_sha,
            head=self.branch,
            head_sha=self.head,
            head_repository=repository,
            updated_at=self.updated_at,
        )


@attrs.frozen
class Seen:
    """A look at the remote. ``merged`` are branches that are gone and whose commits ``base`` has."""

    base: Branch
    base_sha: CommitSha
    heads: tuple[Head, ...]
    merged: frozenset[str] = frozenset()


@attrs.frozen
class Memory:
    """All that is known, by the names of branches."""

    base: Branch | None = None
    base_sha: CommitSha | None = None
    base_before: CommitSha | None = None
    changes: Mapping[str, Change] = attrs.field(factory=dict)

    @property
    def open(self) -> Mapping[str, Change]:
        """Those that stand at the remote."""
        return {name: each for name, each in self.changes.items() if each.state is PullRequestState.OPEN}

    def by_number(self, number: int) -> Change | None:
        """Find a branch by its number."""
        return next((each for name, each in self.changes.items() if number_of(name) == number), None)


def advance(memory: Memory, seen: Seen, now: float) -> Memory:
    """Return what is known after a look at the remote."""
    changes = {name: each for name, each in memory.changes.items() if each.updated_at > now - KEPT_SECONDS}
    changes |= memory.open
    there = {head.branch: head for head in seen.heads}
    for name, each in memory.open.items():
        if name not in there:
            state = PullRequestState.MERGED if name in seen.merged else PullRequestState.CLOSED
            changes[name] = attrs.evolve(each, state=state, updated_at=_later(each, now))
    for name, head in there.items():
        known = changes.get(name)
        if known is None or known.head != head.sha or known.base != seen.base or name not in memory.open:
            changes[name] = Change(
                branch=head.branch,
                head=head.sha,
                base=seen.base,
                base_sha=seen.base_sha,
                title=head.title[:_LONGEST_TITLE],
                author=head.author,
                state=PullRequestState.OPEN,
                updated_at=now if known is None else _later(known, now),
            )
    moved = (memory.base, memory.base_sha) != (seen.base, seen.base_sha)
    before = (memory.base_sha if memory.base == seen.base else None) if moved else memory.base_before
    return Memory(seen.base, seen.base_sha, before, dict(sorted(changes.items())))


def told_apart(branches: Iterable[Branch], known: Iterable[str]) -> tuple[tuple[Branch, ...], tuple[Branch, ...]]:
    """Part branches into those that have a number of their own, and those whose number another has already."""
    holders = {number_of(name): name for name in sorted(known)}
    kept: list[Branch] = []
    refused: list[Branch] = []
    for branch in sorted(branches):
        alone = holders.setdefault(number_of(branch), branch) == branch
        (kept if alone else refused).append(branch)
    return tuple(kept), tuple(refused)


def _later(known: Change, now: float) -> float:
    return max(now, known.updated_at + 0.001)


def written(memory: Memory) -> bytes:
    """Write it down."""
    changes = [attrs.asdict(each, value_serializer=_plain) for each in memory.changes.values()]
    document = {"base": memory.base, "base_sha": memory.base_sha, "base_before": memory.base_before}
    return json.dumps({**document, "changes": changes}, indent=1).encode()


def read(text: bytes) -> Memory:
    """Undo `written`.

    Raises:
        ValueError: another wrote it.
    """
    try:
        document: dict[str, Any] = json.loads(text)
        changes = [_change(each) for each in document["changes"]]
        base, sha, before = (document[name] for name in ("base", "base_sha", "base_before"))
        return Memory(
            base and Branch.parse(base),
            sha and CommitSha.parse(sha),
            before and CommitSha.parse(before),
            {each.branch: each for each in changes},
        )
    except (BadName, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not what this version writes: {type(error).__name__}") from None


def _change(document: Mapping[str, Any]) -> Change:
    return Change(
        branch=Branch.parse(document["branch"]),
        head=CommitSha.parse(document["head"]),
        base=Branch.parse(document["base"]),
        base_sha=CommitSha.parse(document["base_sha"]),
        title=str(document["title"]),
        author=str(document["author"]),
        state=PullRequestState(document["state"]),
        updated_at=float(document["updated_at"]),
    )


def _plain(_instance: object, _field: object, value: object) -> object:
    return value.value if isinstance(value, PullRequestState) else value
