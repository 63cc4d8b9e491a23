"""One push: the call of the cache, within its time, in parts where it fails for many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import anyio
import attrs

from ekaci_core.api import Cache, EkaciError, PushFailed, PushOutcome, PushRequest, StorePath
from ekaci_core.delivery.transcript import Transcript

MOST_CALLS: Final = 32
"""Calls for one push that is divided to find out which paths are at fault."""

_NOTHING_SAID: Final = PushFailed("the cache said nothing of it", transient=True)


def timed_out(seconds: float) -> str:
    """Say that a call took too long, in the words of the manual."""
    return f"Hook execution timed out after {seconds:g} seconds"


@attrs.define(eq=False)
class Call:
    """Pushes some paths.

    Attributes:
        cache: where.
        seconds: the longest time of one call.
        transcript: what they print.
        timed_out: whether one of them took too long.
    """

    cache: Cache
    seconds: float
    transcript: Transcript = attrs.field(factory=Transcript)
    timed_out: bool = attrs.field(default=False, init=False)
    _calls: int = attrs.field(default=0, init=False)

    async def push(self, paths: Sequence[StorePath]) -> dict[StorePath, PushOutcome]:
        """Push, in this order. What is refused together is pushed again in parts, so that one does not hold others."""
        outcomes = await self._once(paths)
        refused = [path for path in paths if is_refused(outcomes[path])]
        if refused and len(paths) > 1:
            outcomes.update(await self._in_parts(refused, outcomes))
        return outcomes

    async def _in_parts(
        self, paths: Sequence[StorePath], known: Mapping[StorePath, PushOutcome]
    ) -> dict[StorePath, PushOutcome]:
        if self._calls >= MOST_CALLS:
            return {path: _again(known[path]) for path in paths}
        outcomes: dict[StorePath, PushOutcome] = {}
        middle = len(paths) // 2
        for part in (paths[:middle], paths[middle:]) if middle else (paths,):
            if self._calls >= MOST_CALLS:
                outcomes.update((path, _again(known[path])) for path in part)
                continue
            found = await self._once(part)
            refused = [path for path in part if is_refused(found[path])]
            if refused and len(part) > 1:
                found.update(await self._in_parts(refused, found))
            outcomes.update(found)
        return outcomes

    async def _once(self, paths: Sequence[StorePath]) -> dict[StorePath, PushOutcome]:
        self._calls += 1
        outcomes: Mapping[StorePath, PushOutcome] = {}
        otherwise: PushOutcome = _NOTHING_SAID
        with anyio.move_on_after(self.seconds) as scope:
            try:
                outcomes = await self.cache.push(PushRequest(paths, self.transcript.write))
            except EkaciError as fault:
                otherwise = PushFailed(str(fault), transient=True)
        if scope.cancelled_caught:
            self.timed_out = True
            otherwise = PushFailed(timed_out(self.seconds), transient=True)
        return {path: outcomes.get(path, otherwise) for path in paths}


def is_refused(outcome: PushOutcome) -> bool:
    """Whether it cannot go well another time, as far as the cache says."""
    return isinstance(outcome, PushFailed) and not outcome.transient


def is_unreachable(outcomes: Collection[PushOutcome]) -> bool:
    """Whether all of them failed for a reason that may pass: the cache, and no path, is at fault."""
    return all(isinstance(each, PushFailed) and each.transient for each in outcomes)


def _again(outcome: PushOutcome) -> PushOutcome:
    """Leave for another time what was refused together with others."""
    return attrs.evolve(outcome, transient=True) if isinstance(outcome, PushFailed) else outcome
