"""Asks forges that cannot tell us what happened, and puts the answers into the inbox like deliveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import anyio
import attrs

from ekaci_core.api import Clock, ForgeEvent, InfrastructureFault, Logger, PullRequestChanged, RepositoryId
from ekaci_core.bus import Wakeup
from ekaci_core.intake.needs import IntakeStore
from ekaci_core.intake.polled import NEWS_KIND, name_of, payload_of
from ekaci_core.registry.open_forge import OpenForge

OVERLAP_SECONDS: Final = 3600.0
"""How far back each question goes: clocks differ, and what was told before is dropped."""
LONGEST_SECONDS: Final = 7 * 86_400.0
"""How far back the first question goes at most: what happened while the server was away."""
MOST_SECONDS: Final = 900.0
"""A forge that does not answer is asked less and less often, down to this."""


CATCH_UP_SECONDS: Final = 6 * 3600.0
"""How often a forge is asked that tells by webhooks and cannot say which of them we missed."""


@attrs.frozen
class Polled:
    """A forge that is asked, and how often, in seconds.

    With ``told`` its webhooks reach us, and it is asked for pull requests that they may have missed. Comments are left
    out, since a command that was obeyed would be obeyed once more.
    """

    at: OpenForge
    seconds: float
    told: bool = False

    def wants(self, event: ForgeEvent) -> bool:
        """Whether this news is of use."""
        return not self.told or isinstance(event, PullRequestChanged)


class Polling:
    """Asks each forge that is polled, again and again."""

    def __init__(
        self,
        store: IntakeStore,
        forges: Sequence[Polled],
        *,
        clock: Clock,
        log: Logger,
        stored: Callable[[], None],
    ) -> None:
        """Prepare.

        Args:
            store: holds the inbox.
            forges: those that are asked.
            clock: for times that are stored.
            log: hears of forges that do not answer.
            stored: called when there is something new in the inbox.
        """
        self._store = store
        self._forges = [(each, Wakeup()) for each in forges]
        self._clock = clock
        self._log = log
        self._stored = stored

    @property
    def instances(self) -> Sequence[str]:
        """The operator's names of those that are polled."""
        return [each.at.instance for each, _ in self._forges if not each.told]

    def ask_now(self) -> None:
        """Ask all of them at once: somebody knows that there is something."""
        for _, asked in self._forges:
            asked.wake()

    async def run(self) -> None:
        """Ask until cancelled."""
        async with anyio.create_task_group() as tasks:
            for each, asked in self._forges:
                tasks.start_soon(self._watch, each, asked, name=f"poll {each.at.instance}")

    async def _watch(self, polled: Polled, asked: Wakeup) -> None:
        since: Mapping[RepositoryId, float] = {}
        first = min(polled.seconds, MOST_SECONDS)
        pause = first
        while True:
            try:
                since = await self.ask(polled, since)
            except InfrastructureFault as fault:
                name, why = polled.at.instance, str(fault)
                self._log.warning("forge_not_polled", forge=name, reason=why, again_in_seconds=pause)
                await asked.wait(pause)
                pause = min(2 * pause, MOST_SECONDS)
            else:
                pause = first
                await asked.wait(polled.seconds)

    async def ask(self, polled: Polled, since: Mapping[RepositoryId, float]) -> Mapping[RepositoryId, float]:
        """Ask a forge once for the news of all its repositories; returns since when to ask the next time.

        Raises:
            InfrastructureFault: it does not answer, or the store takes nothing.
        """
        at = polled.at
        until: dict[RepositoryId, float] = {}
        for repository in await at.forge.repositories():
            now = self._clock.now()
            begin = since.get(repository, now - LONGEST_SECONDS)
            new = 0
            for event in filter(polled.wants, await at.forge.news(repository, since=begin)):
                payload = payload_of(event)
                new += await self._store.add_delivery(
                    at.type, at.instance, name_of(payload), NEWS_KIND, payload, now=self._clock.now()
                )
            until[repository] = now - OVERLAP_SECONDS
            if new:
                self._log.info("forge_polled", forge=at.instance, repository=str(repository), news=new)
                self._stored()
        return until
