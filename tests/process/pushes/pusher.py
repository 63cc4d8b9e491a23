"""Brings what a queue holds to a cache that is a folder, until nothing waits: in a process that a test kills."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import anyio
import attrs

from ekaci_core.api import Pushed, PushOutcome, PushRequest, StorePath
from ekaci_core.delivery import Auditing, CacheRule, OpenCache, Pushing, PushParts
from ekaci_core.store import open_store
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.scripted_cache import ScriptedPaths, store_path

COUNT = 1200


@attrs.frozen
class FolderCache:
    """A file for each path, with a line for each time that it was pushed; with the ``last`` its process is killed."""

    folder: Path
    last: int = -1

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """See `Cache`."""
        there = {each.name for each in self.folder.iterdir() if each.stat().st_size}
        return frozenset(path for path in paths if path.base_name not in there)

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """See `Cache`."""
        for path in request.paths:
            await anyio.sleep(0.001)
            file = os.open(self.folder / path.base_name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(file, b"pushed\n")
            os.close(file)
            if path == store_path(f"p{self.last:05}"):
                os.kill(os.getpid(), signal.SIGKILL)
        return dict.fromkeys(request.paths, Pushed())


def paths() -> ScriptedPaths:
    """Make up a store in which each path refers to the one before it."""
    made = ScriptedPaths()
    for at in range(COUNT):
        made.add(store_path(f"p{at:05}"), *([store_path(f"p{at - 1:05}")] if at else []))
    return made


async def main(folder: Path, last: int) -> None:
    """Push until nothing waits, or until the last is there."""
    clock, log = RealClock(), SilentLogger()
    async with open_store(folder / "db") as store:
        auditing = Auditing(store, clock, log)
        parts = PushParts(store, paths(), auditing, clock, log, folder / "logs", 300.0)
        pushing = Pushing([OpenCache(CacheRule(id="one"), FolderCache(folder / "cache", last))], parts)
        await pushing.resume()
        async with anyio.create_task_group() as tasks:
            for loop in pushing.loops:
                tasks.start_soon(loop.run)
            while await store.unfinished_pushes():  # noqa: ASYNC110 - the database tells nobody
                await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
