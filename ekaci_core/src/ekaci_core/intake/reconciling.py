"""Compares what forges have given us with what we know, at start and now and then: news of it may have been lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import anyio

from ekaci_core.api import InfrastructureFault, Logger, RepositoryId
from ekaci_core.intake.applying import Commands
from ekaci_core.intake.command import CloseReviews, Command, NoteInstalled, NoteUninstalled
from ekaci_core.intake.needs import IntakeStore
from ekaci_core.registry.open_forge import OpenForge

INTERVAL_SECONDS: Final = 6 * 3600.0
CONFIRM_SECONDS: Final = 900.0
"""What seems to be gone is looked for once more before it is believed: news of another name may be on its way."""
RETRY_SECONDS: Final = 60.0

_GONE: Final = "the forge does not let us in any more"


class Reconciling:
    """Looks at each host by itself."""

    def __init__(
        self,
        store: IntakeStore,
        forges: Sequence[OpenForge],
        commands: Commands,
        log: Logger,
        *,
        confirm_seconds: float = CONFIRM_SECONDS,
    ) -> None:
        self._store = store
        self._hosts: dict[str, list[OpenForge]] = {}
        for each in forges:
            self._hosts.setdefault(each.forge.host, []).append(each)
        self._commands = commands
        self._log = log
        self._confirm_seconds = confirm_seconds

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for host, instances in self._hosts.items():
                tasks.start_soon(self._watch, host, instances, name=f"repositories at {host}")

    async def _watch(self, host: str, instances: Sequence[OpenForge]) -> None:
        missed: Collection[str] = ()
        while True:
            try:
                missed = await self._look(host, instances, missed)
            except InfrastructureFault as fault:
                self._log.warning("repositories_not_compared", forge=host, reason=str(fault))
                await anyio.sleep(RETRY_SECONDS)
            else:
                await anyio.sleep(self._confirm_seconds if missed else INTERVAL_SECONDS)

    async def _look(self, host: str, instances: Sequence[OpenForge], missed: Collection[str]) -> Collection[str]:
        """Compare once; returns what is missing for the first time."""
        given = {each.instance: tuple(await each.forge.repositories()) for each in instances}
        there = {repository.path.lower() for repositories in given.values() for repository in repositories}
        known = await self._store.installed(host)
        missing = [each for each in known if each.path.lower() not in there]
        gone = tuple(each for each in missing if each.path.lower() in missed)
        new = there - {each.path.lower() for each in known}
        commands: list[Command] = [NoteInstalled(host, name, given[name]) for name in given if given[name]]
        commands += _given_up(host, list(given), gone)
        await self._commands.carry_out(commands)
        if new or gone:
            self._log.info("repositories_compared", forge=host, new=len(new), gone=len(gone))
        return {each.path.lower() for each in missing if each not in gone}


def _given_up(host: str, instances: Sequence[str], gone: tuple[RepositoryId, ...]) -> list[Command]:
    if not gone:
        return []
    noted = [NoteUninstalled(host, instance, gone) for instance in instances]
    return [*noted, *(CloseReviews(repository, _GONE) for repository in gone)]
