"""Pushing with a cache's own program: batch by batch, and what became of each path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial

import attrs

from ekaci_cache_backends.batches import batches
from ekaci_cache_backends.judgement import Judgement, Kind, Row, judge, judge_text
from ekaci_cache_backends.refusals import CredentialsRefused, failed, with_lease
from ekaci_core.api import (
    EkaciError,
    HeldCredentials,
    Lease,
    ProgramEnd,
    Pushed,
    PushOutcome,
    StorePath,
    WriteLog,
)

RunProgram = Callable[[Sequence[StorePath], Lease, WriteLog], Awaitable[ProgramEnd]]
"""Runs the program once for these paths."""

AskMissing = Callable[[Collection[StorePath]], Awaitable[frozenset[StorePath]]]
"""Says what the cache has not; all where it cannot be asked."""

TellPaths = Callable[[str], Mapping[str, str]]
"""Finds in the program's output what it says of single paths, by base name."""


def nothing_told(output: str) -> Mapping[str, str]:  # noqa: ARG001 - the type's
    """Find nothing: the program speaks of no single path."""
    return {}


@attrs.frozen
class ToolPush:
    """How one program pushes.

    Attributes:
        program: what it is called.
        where: the cache in messages.
        table: what its messages mean.
        run: runs it.
        missing: asks the cache.
        credentials: renewed once where the program is refused.
        told: what it says of single paths when it failed.
    """

    program: str
    where: str
    table: Sequence[Row]
    run: RunProgram
    missing: AskMissing
    credentials: HeldCredentials
    told: TellPaths = nothing_told

    async def push(self, paths: Sequence[StorePath], log: WriteLog) -> dict[StorePath, PushOutcome]:
        """Push; faults are outcomes."""
        outcomes: dict[StorePath, PushOutcome] = {}
        try:
            for batch in batches(paths):
                outcomes |= await self._push(batch, log)
        except EkaciError as fault:  # the next batch would meet it too
            outcomes |= {path: failed(fault) for path in paths if path not in outcomes}
        return outcomes

    async def _push(self, paths: Sequence[StorePath], log: WriteLog) -> dict[StorePath, PushOutcome]:
        end = await with_lease(self.credentials, partial(self._attempt, paths, log))
        failure = judge(end, self.program, self.table)
        if failure is None:
            return dict.fromkeys(paths, Pushed())
        absent = await self._still_missing(paths)
        outcomes: dict[StorePath, PushOutcome] = {path: Pushed() for path in paths if path not in absent}
        rest = [path for path in paths if path in absent]
        told = self.told(end.output)
        if failure.kind is Kind.ONE_PATH and len(paths) > 1 and not told:
            for path in rest:
                outcomes |= await self._push([path], log)
            return outcomes
        return outcomes | {path: self._failure(told.get(path.base_name), failure).outcome for path in rest}

    async def _attempt(self, paths: Sequence[StorePath], log: WriteLog, lease: Lease) -> ProgramEnd:
        end = await self.run(paths, lease, log)
        failure = judge(end, self.program, self.table)
        if failure is not None and failure.kind is Kind.REFUSED:
            raise CredentialsRefused(failure.reason, where=self.where, do="see that the token is valid and may push")
        return end

    async def _still_missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        try:
            return await self.missing(paths)
        except EkaciError:
            return frozenset(paths)  # why it failed is known already

    def _failure(self, said: str | None, failure: Judgement) -> Judgement:
        return failure if said is None else judge_text(said, self.program, self.table)
