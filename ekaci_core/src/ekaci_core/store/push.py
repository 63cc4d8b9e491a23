"""What is to be brought to caches, and what came of it."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from typing import NewType, Protocol

import attrs

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.store.review import ReviewId

PushId = NewType("PushId", int)


class PushState(enum.Enum):
    """What became of a push."""

    PENDING = "pending"
    PUSHING = "pushing"
    DONE = "done"
    PRESENT = "present"
    """The cache had it before."""
    FAILED = "failed"
    """Given up, until somebody asks again."""

    @property
    def is_over(self) -> bool:
        """Whether nothing is done about it any more by itself."""
        return self not in (PushState.PENDING, PushState.PUSHING)


@attrs.frozen(kw_only=True)
class WantedPush:
    """A path that a cache is to have.

    Attributes:
        cache: the id of the cache.
        path: valid in the store of this machine.
        derivation: for whose outputs it is needed.
        repository: for which repository.
        review: what found out that it is there.
    """

    cache: str
    path: StorePath
    derivation: DrvPath
    repository: RepositoryId
    review: ReviewId | None = None


@attrs.frozen(kw_only=True)
class Push:
    """A path and a cache; there is one row for both together.

    Attributes:
        id: its number; where both are wanted at once, what is referred to has a smaller one than what refers to it.
        wanted: what and for whom.
        state: what became of it.
        attempts: how often it was tried since it was asked for.
        not_before: it is left alone until then.
        reason: why it could not be pushed the last time.
        asked_at: since when it is wanted, in seconds since the epoch.
        changed_at: when its state changed last.
        first_tried_at: when the first attempt began.
        sent_bytes: what went over the wire, where that is known.
    """

    id: PushId
    wanted: WantedPush
    state: PushState
    attempts: int = 0
    not_before: float = 0.0
    reason: str = ""
    asked_at: float
    changed_at: float
    first_tried_at: float | None = None
    sent_bytes: int | None = None

    @property
    def path(self) -> StorePath:
        """What is pushed."""
        return self.wanted.path


@attrs.frozen(kw_only=True)
class PushEnd:
    """What came of a try. With `PENDING` it is tried again, from ``not_before`` on."""

    push: PushId
    state: PushState
    reason: str = ""
    not_before: float = 0.0
    sent_bytes: int | None = None


class Pushes(Protocol):
    """The part of a store that holds them."""

    async def want_pushes(self, wanted: Sequence[WantedPush], *, now: float) -> int:
        """Store what caches are to have, in this order; returns how many rows are new, or wait again.

        What is stored already stays as it is, but for what failed: that is tried again where another review asks.
        """
        ...

    async def known_pushes(self, cache: str, paths: Collection[StorePath]) -> Mapping[StorePath, Push]:
        """Return the rows of these paths, as far as there are any."""
        ...

    async def pushes_due(self, cache: str, *, now: float, limit: int) -> Sequence[Push]:
        """Return those that wait and may be pushed now, by number."""
        ...

    async def next_push_at(self, cache: str, *, now: float) -> float | None:
        """When the next one that waits for a time after ``now`` may be pushed; None where there is none."""
        ...

    async def begin_pushes(self, begun: Collection[PushId], *, now: float) -> None:
        """Note that these are being pushed, which counts as an attempt."""
        ...

    async def end_pushes(self, ends: Sequence[PushEnd], *, now: float) -> None:
        """Note what came of some."""
        ...

    async def resume_pushes(self, *, cache: str | None = None, now: float) -> int:
        """Let those wait again that are noted as being pushed, to one cache or to all; returns how many.

        For when nothing is: a process begins, or the loop of a cache does.
        """
        ...

    async def pushes(
        self,
        *,
        cache: str | None = None,
        state: PushState | None = None,
        limit: int = 100,
        before: PushId | None = None,
    ) -> Sequence[Push]:
        """Return the newest first, of one cache and in one state where they are given."""
        ...

    async def count_pushes(self) -> Mapping[str, Mapping[PushState, int]]:
        """Count by cache and state; what there is none of is left out."""
        ...

    async def retry_pushes(self, *, cache: str | None = None, push: PushId | None = None, now: float) -> int:
        """Have failed ones pushed again: one, those of one cache, or all; returns how many."""
        ...

    async def expire_pushes(self, *, before: float, reason: str, now: float) -> int:
        """Give up those that have waited since before a time; returns how many."""
        ...

    async def prune_pushes(self, *, before: float) -> int:
        """Forget those that are over since before a time; returns how many. It works in several transactions."""
        ...

    async def unfinished_pushes(self) -> frozenset[StorePath]:
        """Return the paths that some cache is still to get."""
        ...

    async def pushed_derivations(self) -> frozenset[DrvPath]:
        """Return the derivations for whose outputs there is a row."""
        ...
