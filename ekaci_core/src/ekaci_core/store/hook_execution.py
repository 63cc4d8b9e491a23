"""Post-build hooks as rows: what is to be run, what runs, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NewType, Protocol

import attrs

from ekaci_core.model.forge import Branch, RepositoryId
from ekaci_core.model.hook import HookOrigin, HookState
from ekaci_core.model.ids import CommitSha, DrvPath
from ekaci_core.store.review import ReviewId

HookExecutionId = NewType("HookExecutionId", int)


@attrs.frozen(kw_only=True)
class HookOccasion:
    """Why hooks are run: the review, its repository, and the branch and commit that were built."""

    review: ReviewId
    repository: RepositoryId
    branch: Branch
    sha: CommitSha


@attrs.frozen(kw_only=True)
class WantedHook:
    """A hook that is to be run of a derivation.

    Attributes:
        hook: its name.
        origin: who wrote it.
        fod: whether it is one for fixed-output derivations.
        job: the job that the derivation was built for.
        drv: the derivation.
        built_at: when it was built, in seconds since the epoch; a run that was queued since is not queued again.
        definition: of a repository's hook, what it is, as JSON; else empty.
    """

    hook: str
    origin: HookOrigin
    fod: bool
    job: str
    drv: DrvPath
    built_at: float
    definition: str = ""


@attrs.frozen(kw_only=True)
class HookExecution:
    """A hook's run of a derivation as it stands.

    Attributes:
        id: its number.
        review: the review that it is for, None where that is gone.
        repository: for which repository.
        drv: the derivation.
        origin: who wrote the hook.
        hook: its name.
        fod: whether it is one for fixed-output derivations.
        job: the job that the derivation was built for.
        branch: the branch that was built; of a pull request, the one that it comes from.
        sha: the commit that was built.
        definition: of a repository's hook, what it is, as JSON.
        state: how far it is.
        asked_at: when it was queued, in seconds since the epoch.
        started_at: when the last attempt began.
        ended_at: when that ended.
        exit_status: of the last attempt, negative where a signal ended it.
        attempts: how often it was begun.
        deaths: how often a server was killed meanwhile.
        log_path: where it wrote.
        reason: why it is in its state, in a sentence; empty where there is nothing to say.
    """

    id: HookExecutionId
    review: ReviewId | None
    repository: RepositoryId
    drv: DrvPath
    origin: HookOrigin
    hook: str
    fod: bool
    job: str
    branch: Branch
    sha: CommitSha
    definition: str
    state: HookState
    asked_at: float
    started_at: float | None = None
    ended_at: float | None = None
    exit_status: int | None = None
    attempts: int = 0
    deaths: int = 0
    log_path: str | None = None
    reason: str = ""


class HookExecutions(Protocol):
    """The part of a store that holds them."""

    async def want_hooks(self, wanted: Sequence[WantedHook], occasion: HookOccasion, *, now: float) -> int:
        """Queue hooks; returns how many that were not there.

        One that the review has already is left as it is, and so is one that was queued for the repository since the
        derivation was built, unless that was refused. It works in several transactions; done again, it goes on.

        Raises:
            UnknownDerivation: one of a derivation that is not stored.
        """
        ...

    async def pending_hooks(self, *, limit: int, after: int = 0) -> Sequence[HookExecution]:
        """Return those that are queued or were interrupted, in order: of their numbers, the greater than ``after``."""
        ...

    async def begin_hook(self, execution: HookExecutionId, *, log_path: str, now: float) -> bool:
        """Note that one that is pending runs now; False if it is not."""
        ...

    async def end_hook(
        self, execution: HookExecutionId, state: HookState, *, exit_status: int | None, reason: str, now: float
    ) -> None:
        """Note what came of one."""
        ...

    async def recover_hooks(self, *, now: float) -> Sequence[HookExecution]:
        """Note that whatever ran was killed with its server; returns those as they are now.

        The first time, one is interrupted, and so runs again; the second time it is abandoned.
        """
        ...

    async def hook_executions(
        self, *, state: HookState | None = None, limit: int = 100, before: HookExecutionId | None = None
    ) -> Sequence[HookExecution]:
        """Return the newest first, those in one state or all."""
        ...

    async def prune_hooks(self, *, before: float) -> int:
        """Forget those that ended before a time; returns how many. It works in several transactions."""
        ...

    async def built_at(self, derivations: Collection[int]) -> Mapping[int, float]:
        """Say of derivations, by number, when each was last built here; those that never were are left out."""
        ...
