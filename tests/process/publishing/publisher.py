"""Sends what is due once, to a forge that bears five writes a minute; prints the seconds until there may be more.

python tests/process/publishing/publisher.py FOLDER HANGS_AT

Each write is a line of FOLDER/written. The one numbered HANGS_AT, if it is not 0, never comes back.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from ekaci_core.api import Check, Published, PublishFailed, RepositoryId, WriteBudget
from ekaci_core.bus import Wakeup
from ekaci_core.reporting.publishing import Publisher
from ekaci_core.server.clock import SystemClock
from ekaci_core.store import open_store
from ekaci_core.telemetry import LOG
from ekaci_core.testing.scripted_forge import ScriptedForge

PER_MINUTE = 5


class Slow(ScriptedForge):
    """Bears few writes."""

    def __init__(self, path: Path, hangs_at: int) -> None:
        super().__init__()
        self.path = path
        self.hangs_at = hangs_at

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        return WriteBudget(repository.owner, PER_MINUTE, 100)

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        with self.path.open("a") as file:
            file.write(f"{check.context}\n")
        if len(self.path.read_text().splitlines()) == self.hangs_at:
            await anyio.sleep_forever()
        return await super().publish(check, remote)


async def send(folder: Path, hangs_at: int) -> None:
    forge = Slow(folder / "written", hangs_at)
    async with open_store(folder / "db") as store:
        pause = await Publisher(store, lambda _: forge, SystemClock(), LOG, Wakeup()).send_due()
    sys.stdout.write(f"{pause}\n")


if __name__ == "__main__":
    anyio.run(send, Path(sys.argv[1]), int(sys.argv[2]))
