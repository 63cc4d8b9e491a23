"""Every way in which a build can be interrupted, with real processes: its state, what that blocks, what comes after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from ekaci_core.api import TransientKind
from ekaci_core.model.build import Build, BuildState
from ekaci_core.scheduler import Backoff

if TYPE_CHECKING:
    from tests.nix.conftest import BuildBench

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

S = BuildState
PATIENCE_SECONDS = 60


async def test_silence_is_a_timeout(build_bench: BuildBench) -> None:
    settings = attrs.evolve(build_bench.settings, no_output_timeout_seconds=0.5)
    assert await build_bench.scheduler(settings).build(build_bench.wanted("silent")) == ()
    (attempt,) = await build_bench.assert_interrupted("silent", S.TIMEOUT)
    assert (attempt.reason, attempt.kind) == ("no output for 0.5 seconds", None)


async def test_too_long_is_a_timeout(build_bench: BuildBench) -> None:
    settings = attrs.evolve(build_bench.settings, max_duration_seconds=1)
    assert await build_bench.scheduler(settings).build(build_bench.wanted("talkative")) == ()
    (attempt,) = await build_bench.assert_interrupted("talkative", S.TIMEOUT)
    assert attempt.reason == "not finished after 1 seconds"


async def test_a_killed_builder_is_tried_again_and_ends_as_process_death(build_bench: BuildBench) -> None:
    scheduler = build_bench.scheduler()
    assert await scheduler.build(build_bench.wanted("killed")) == ()
    first, second = await build_bench.assert_interrupted("killed", S.PROCESS_DEATH)
    assert (first.kind, second.kind) == (TransientKind.KILLED, TransientKind.KILLED)
    assert second.reason == "builder was killed (signal 9) (given up after 2 attempts)"
    assert (await build_bench.state("killed")).failures == 0
    await scheduler.build(build_bench.wanted("killed"))
    assert len(await build_bench.attempts("killed")) == 4, "the next run tries again"


async def test_a_killed_nix_is_tried_again(build_bench: BuildBench) -> None:
    settings = attrs.evolve(build_bench.settings, no_output_timeout_seconds=1.5)
    async with build_bench.scheduler(settings).running() as running:
        await running.add(build_bench.wanted("silent"))
        await build_bench.until_builds()
        (nix,) = build_bench.processes(f"--realise\0{build_bench.paths['silent']}\0")
        os.kill(nix, signal.SIGKILL)
        await running.wait()
        assert running.infrastructure == [], "it passed"
    first, second = await build_bench.assert_interrupted("silent", S.TIMEOUT)
    assert (first.outcome, first.kind) == (S.PROCESS_DEATH, TransientKind.KILLED)
    assert second.kind is None


async def test_who_leaves_cancels(build_bench: BuildBench) -> None:
    async with build_bench.scheduler().running() as running:
        await running.add(build_bench.wanted("silent"))
        await build_bench.until_builds()
    (attempt,) = await build_bench.assert_interrupted("silent", S.CANCELLED)
    assert attempt.reason == "the run was stopped"


async def test_what_a_build_says_of_kills_and_networks_is_a_failure(build_bench: BuildBench) -> None:
    assert await build_bench.scheduler().build(build_bench.wanted("poser")) == ()
    assert await build_bench.state("poser") == Build(build_bench.paths["poser"], S.FAILURE, failures=2)
    assert (await build_bench.state("on-poser")).state is S.TRANSITIVE_FAILURE


async def test_a_failure_that_passes_unchanged_is_flaky(build_bench: BuildBench) -> None:
    assert await build_bench.scheduler().build(build_bench.wanted("once")) == ()
    assert await build_bench.state("once") == Build(build_bench.paths["once"], S.SUCCESS, failures=1)
    assert await build_bench.store.flaky(build_bench.paths.values()) == {build_bench.paths["once"]}


class Page(BaseHTTPRequestHandler):
    """Serves the mark of the test."""

    text = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its parent calls it
        del format, args


@pytest.fixture
def site(build_bench: BuildBench) -> Iterator[HTTPServer]:
    """A server that nobody can reach before `serve_forever`."""
    handler = type("MarkPage", (Page,), {"text": build_bench.mark})
    server = HTTPServer(("127.0.0.1", build_bench.port), handler, bind_and_activate=False)
    server.allow_reuse_address = True
    yield server
    server.server_close()


async def test_a_fetch_without_network_is_tried_again(build_bench: BuildBench, site: HTTPServer) -> None:
    backoff = Backoff(first_seconds=0.5, factor=1, attempts=100)
    async with build_bench.scheduler(attrs.evolve(build_bench.settings, backoff=backoff)).running() as running:
        await running.add(build_bench.wanted("fetched"))
        with anyio.fail_after(PATIENCE_SECONDS):
            while not any(each.ended_at for each in await build_bench.attempts("fetched")):  # noqa: ASYNC110 - as above
                await anyio.sleep(0.02)
        site.server_bind()
        site.server_activate()
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        try:
            await running.wait()
        finally:
            site.shutdown()
            thread.join()
    attempts = await build_bench.attempts("fetched")
    assert (attempts[0].outcome, attempts[0].kind) == (S.PROCESS_DEATH, TransientKind.NETWORK)
    assert attempts[0].reason.startswith("the fetch failed because of the network: ")
    assert attempts[-1].outcome is S.SUCCESS
    assert await build_bench.state("fetched") == Build(build_bench.paths["fetched"], S.SUCCESS, failures=0)
    assert (await build_bench.state("on-fetched")).state is S.SUCCESS


async def test_a_network_that_stays_away_ends_as_process_death(build_bench: BuildBench) -> None:
    assert await build_bench.scheduler().build(build_bench.wanted("fetched")) == ()
    attempts = await build_bench.assert_interrupted("fetched", S.PROCESS_DEATH)
    assert [each.kind for each in attempts] == [TransientKind.NETWORK] * 2
    assert attempts[-1].reason.endswith("(given up after 2 attempts)")


# A scheduler of its own process, to be killed.
CHILD = """
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ekaci_core.builtin.local_builder import LocalBuilderConfig, LocalBuilderType
from ekaci_core.bus import Broadcast
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.scheduler import Scheduler, Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builders import RealClock, SilentLogger, plugin_context


async def main(folder, drv, environment):
    async with (
        open_store(folder / "db") as store,
        LocalBuilderType().open(LocalBuilderConfig(), plugin_context(environment)) as builder,
    ):
        await Scheduler(
            store=store,
            builders=[builder],
            survey=partial(build_plan, environment=environment),
            clock=RealClock(),
            log=SilentLogger(),
            events=Broadcast(),
            logs_dir=folder / "logs",
            roots_dir=folder / "roots",
        ).build([Wanted(drv)])


anyio.run(main, Path(sys.argv[1]), DrvPath.parse(sys.argv[2]), json.loads(sys.stdin.read()))
"""


def own_process(build_bench: BuildBench, name: str) -> subprocess.Popen[bytes]:
    """Start a scheduler that builds this."""
    argv = [sys.executable, "-c", CHILD, str(build_bench.folder), str(build_bench.paths[name])]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(json.dumps(build_bench.environment).encode())
    child.stdin.close()
    return child


async def test_a_killed_scheduler_is_told_and_its_build_made_again(build_bench: BuildBench) -> None:
    with own_process(build_bench, "on-silent") as child:
        await build_bench.until_builds()
        child.send_signal(signal.SIGKILL)
    with anyio.fail_after(PATIENCE_SECONDS):
        while build_bench.processes():  # noqa: ASYNC110 - the kernel ends what the dead had started
            await anyio.sleep(0.02)
    settings = attrs.evolve(build_bench.settings, no_output_timeout_seconds=0.5)
    await build_bench.scheduler(settings).build(build_bench.wanted("silent"))
    first, second = await build_bench.assert_interrupted("silent", S.TIMEOUT)
    assert (first.outcome, first.reason) == (S.SCHEDULER_DEATH, "the scheduler that ran it died")
    assert second.id > first.id
