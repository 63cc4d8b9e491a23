"""Logs are compressed while other builds go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import structlog
from structlog.testing import capture_logs

from ekaci_core.bus import Broadcast
from ekaci_core.logs import BuildLog, LogFiles, log_of
from ekaci_core.model.build import BuildState
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.event import BuildFinished, BuildStarted, ReviewEvent
from ekaci_core.scheduler import log_path
from ekaci_core.server.sealing import sealing
from ekaci_core.testing.facts import drv

pytestmark = pytest.mark.anyio
LOG = structlog.get_logger()


def built(folder: Path, name: str) -> Path:
    path = log_of(folder, drv(name).hash_part)
    path.parent.mkdir()
    with BuildLog(path) as log:
        log.write(b"x" * 10_000)
    return path


async def until(done: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not done():  # noqa: ASYNC110 - the disk tells nobody
            await anyio.sleep(0.01)


async def test_logs_of_what_succeeded_are_compressed_and_others_are_left(tmp_path: Path) -> None:
    events: Broadcast[ReviewEvent] = Broadcast()
    paths = {name: built(tmp_path, name) for name in ("good", "bad", "silent", "last")}
    async with sealing(events, tmp_path, LOG):
        events.send(BuildStarted(drv("good"), "good"))
        events.send(BuildFinished(drv("bad"), BuildState.FAILURE, 1))
        events.send(BuildFinished(drv("good"), BuildState.SUCCESS, 1))
        events.send(BuildFinished(drv("none"), BuildState.SUCCESS, 1))
        events.send(BuildFinished(drv("last"), BuildState.SUCCESS, 1))
        await until(lambda: not paths["last"].exists())
    stored = {name: LogFiles(path).stored() for name, path in paths.items()}
    assert {name: path.name for name, path in stored.items() if path} == {
        "good": "build.log.gz",
        "bad": "build.log",
        "silent": "build.log",
        "last": "build.log.gz",
    }


async def test_a_log_that_cannot_be_compressed_costs_nothing_else(tmp_path: Path) -> None:
    events: Broadcast[ReviewEvent] = Broadcast()
    broken = built(tmp_path, "broken")
    LogFiles(broken).sealed.mkdir()
    good = built(tmp_path, "good")
    with capture_logs() as told:
        async with sealing(events, tmp_path, LOG):
            events.send(BuildFinished(drv("broken"), BuildState.SUCCESS, 1))
            events.send(BuildFinished(drv("good"), BuildState.SUCCESS, 1))
            await until(lambda: not good.exists())
    assert [(each["event"], each["path"]) for each in told] == [("log.not_compressed", str(broken))]


def test_logs_are_looked_for_where_builds_write_them(tmp_path: Path) -> None:
    assert log_of(tmp_path, drv("lib").hash_part) == log_path(tmp_path, drv("lib"))


async def test_a_fault_of_the_builds_comes_through_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFault, match="disk full"):
        async with sealing(Broadcast(), tmp_path, LOG):
            raise InfrastructureFault("disk full")
