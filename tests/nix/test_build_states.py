"""Every way in which a build can be interrupted, with real processes: its state, what that blocks, what comes after."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.api import TransientKind
from ekaci_core.builtin.local_builder import LocalBuilder, LocalBuilderConfig, LocalBuilderType
from ekaci_core.builtin.local_builder.memory import Counter
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.ids import DrvPath, TreeHash
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.records import read_closure
from ekaci_core.process import run
from ekaci_core.scheduler import Backoff, Scheduler, SchedulerSettings, Wanted
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import Attempt
from ekaci_core.testing.builders import RealClock, SilentLogger, plugin_context

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

S = BuildState
PATIENCE_SECONDS = 60

# MARK makes the derivations new to the store; every one has a dependent of its own. FOLDER is outside of the store.
EXPRESSION = """
let
  make = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" ": MARK; ${script}" ];
  };
  builds = {
    silent = make "silent" "echo begun; while :; do :; done";
    talkative = make "talkative" "i=0; while :; do i=$((i+1)); [ $((i % 20000)) = 0 ] && echo tick; done";
    killed = make "killed" "echo begun; kill -9 $$";
    hungry = make "hungry" "echo oom_kill 1 > FOLDER/events; kill -9 $$";
    compiler = make "compiler" "echo oom_kill 1 > FOLDER/events; echo Killed signal terminated program cc1; exit 2";
    poser = make "poser" "echo Killed; echo curl: '(6)' Could not resolve host: x; exit 2";
    greedy = make "greedy" "ulimit -v 1000000; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
    once = make "once" "[ -e FOLDER/tried ] || { echo > FOLDER/tried; exit 3; }; echo > $out";
    fetched = derivation {
      name = "fetched-MARK";
      system = "builtin";
      builder = "builtin:fetchurl";
      url = "http://127.0.0.1:PORT/fetched";
      outputHashMode = "flat";
      outputHash = builtins.hashString "sha256" "MARK";
      outputHashAlgo = "sha256";
      preferLocalBuild = true;
      executable = false;
      unpack = false;
    };
  };
in builds // builtins.listToAttrs (map (name: {
  name = "on-${name}";
  value = make "on-${name}" "read line < ${builds.${name}}; echo > $out";
}) (builtins.attrNames builds))
"""


def processes(text: str) -> list[int]:
    """Processes that have the text in their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            if text.encode() in file.read_bytes():
                found.append(int(file.parent.name))
    return found


SETTINGS = SchedulerSettings(backoff=Backoff(first_seconds=0.05, attempts=2))


@attrs.frozen
class Bench:
    store: Store
    builder: LocalBuilder
    folder: Path
    environment: dict[str, str]
    paths: dict[str, DrvPath]
    mark: str
    port: int

    def scheduler(self, settings: SchedulerSettings = SETTINGS, builder: LocalBuilder | None = None) -> Scheduler:
        return Scheduler(
            store=self.store,
            builders=[builder or self.builder],
            survey=partial(build_plan, environment=self.environment),
            clock=RealClock(),
            log=SilentLogger(),
            events=Broadcast(),
            logs_dir=self.folder / "logs",
            roots_dir=self.folder / "roots",
            settings=settings,
        )

    def wanted(self, name: str) -> list[Wanted]:
        return [Wanted(self.paths[f"on-{name}"])]

    async def state(self, name: str) -> Build:
        return (await self.store.builds([self.paths[name]]))[self.paths[name]]

    async def attempts(self, name: str) -> list[Attempt]:
        found = await self.store.attempts([self.paths[name]])
        return list(found.get(self.paths[name], ()))

    async def assert_interrupted(self, name: str, state: BuildState) -> list[Attempt]:
        """See that the derivation ended in this state and blocks its dependent; return its attempts."""
        assert (await self.state(name)).state is state
        blocked = Build(self.paths[f"on-{name}"], S.BLOCKED, blockers=frozenset({self.paths[name]}))
        assert await self.state(f"on-{name}") == blocked
        assert await self.attempts(f"on-{name}") == []
        attempts = await self.attempts(name)
        assert attempts[-1].outcome is state
        assert self.processes() == []
        return attempts

    def processes(self) -> list[int]:
        """Processes that build one of these derivations."""
        return processes(self.mark)

    async def until_builds(self) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while not self.processes():  # noqa: ASYNC110 - another program's doing sets no event
                await anyio.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def target_of(line: str) -> DrvPath:
    """The derivation that a root printed by nix-instantiate points at."""
    return DrvPath.parse(str(Path(line.partition("!")[0]).readlink()))


@pytest.fixture
async def bench(nix_environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Bench]:
    mark, port = uuid.uuid4().hex, free_port()
    text = EXPRESSION.replace("MARK", mark).replace("FOLDER", str(tmp_path)).replace("PORT", str(port))
    (tmp_path / "set.nix").write_text(text)
    environment = {
        **nix_environment,
        "NIX_CONFIG": f"{nix_environment['NIX_CONFIG']}\ndownload-attempts = 1\nconnect-timeout = 5",
    }
    argv = ["nix-instantiate", str(tmp_path / "set.nix"), "--add-root", str(tmp_path / "drvs" / "drv"), "--indirect"]
    done = await run(argv, env=environment)
    assert done.status == 0, done.stderr
    drvs = list(map(target_of, done.text.split()))
    records: list[DerivationRecord] = read_closure(drvs, lambda _: False)
    async with (
        open_store(tmp_path / "db") as store,
        LocalBuilderType().open(LocalBuilderConfig(slots=2), plugin_context(environment)) as builder,
    ):
        key = EvaluationKey(TreeHash("0" * 40), "job", "set.nix", "", "nix", "source", "")
        evaluation = await store.begin_evaluation(key, now=0, gc_roots="")
        await store.add_evaluated(evaluation, records, [])
        await store.finish_evaluation(evaluation, now=0)
        paths = {record.name.removesuffix(f"-{mark}"): record.path for record in records}
        yield Bench(store, builder, tmp_path, environment, paths, mark, port)


async def test_silence_is_a_timeout(bench: Bench) -> None:
    settings = attrs.evolve(SETTINGS, no_output_timeout_seconds=0.5)
    assert await bench.scheduler(settings).build(bench.wanted("silent")) == ()
    (attempt,) = await bench.assert_interrupted("silent", S.TIMEOUT)
    assert (attempt.reason, attempt.kind) == ("no output for 0.5 seconds", None)


async def test_too_long_is_a_timeout(bench: Bench) -> None:
    settings = attrs.evolve(SETTINGS, max_duration_seconds=1)
    assert await bench.scheduler(settings).build(bench.wanted("talkative")) == ()
    (attempt,) = await bench.assert_interrupted("talkative", S.TIMEOUT)
    assert attempt.reason == "not finished after 1 seconds"


async def test_a_killed_builder_is_tried_again_and_ends_as_process_death(bench: Bench) -> None:
    scheduler = bench.scheduler()
    assert await scheduler.build(bench.wanted("killed")) == ()
    first, second = await bench.assert_interrupted("killed", S.PROCESS_DEATH)
    assert (first.kind, second.kind) == (TransientKind.KILLED, TransientKind.KILLED)
    assert second.reason == "builder was killed (signal 9) (given up after 2 attempts)"
    assert (await bench.state("killed")).failures == 0
    await scheduler.build(bench.wanted("killed"))
    assert len(await bench.attempts("killed")) == 4, "the next run tries again"


async def test_a_killed_nix_is_tried_again(bench: Bench) -> None:
    settings = attrs.evolve(SETTINGS, no_output_timeout_seconds=1.5)
    async with bench.scheduler(settings).running() as running:
        await running.add(bench.wanted("silent"))
        await bench.until_builds()
        (nix,) = processes(f"--realise\0{bench.paths['silent']}\0")
        os.kill(nix, signal.SIGKILL)
        await running.wait()
        assert running.infrastructure == [], "it passed"
    first, second = await bench.assert_interrupted("silent", S.TIMEOUT)
    assert (first.outcome, first.kind) == (S.PROCESS_DEATH, TransientKind.KILLED)
    assert second.kind is None


async def test_who_leaves_cancels(bench: Bench) -> None:
    async with bench.scheduler().running() as running:
        await running.add(bench.wanted("silent"))
        await bench.until_builds()
    (attempt,) = await bench.assert_interrupted("silent", S.CANCELLED)
    assert attempt.reason == "the run was stopped"


@pytest.mark.parametrize(
    ("name", "says"), [("hungry", "killed by signal 9"), ("compiler", "Killed signal terminated program cc1")]
)
async def test_a_kill_and_a_moved_counter_are_out_of_memory(bench: Bench, name: str, says: str) -> None:
    events = bench.folder / "events"
    events.write_text("low 0\noom_kill 0\n")
    builder = attrs.evolve(bench.builder, counters=(Counter(events, "the control group /builds"),))
    assert await bench.scheduler(builder=builder).build(bench.wanted(name)) == (), "other builds go on"
    (attempt,) = await bench.assert_interrupted(name, S.OUT_OF_MEMORY)
    assert says in attempt.reason
    assert "out-of-memory kills of the control group /builds went from 0 to 1" in attempt.reason


async def test_what_a_build_says_of_kills_and_networks_is_a_failure(bench: Bench) -> None:
    assert await bench.scheduler().build(bench.wanted("poser")) == ()
    assert await bench.state("poser") == Build(bench.paths["poser"], S.FAILURE, failures=2)
    assert (await bench.state("on-poser")).state is S.TRANSITIVE_FAILURE


async def test_a_failure_that_passes_unchanged_is_flaky(bench: Bench) -> None:
    assert await bench.scheduler().build(bench.wanted("once")) == ()
    assert await bench.state("once") == Build(bench.paths["once"], S.SUCCESS, failures=1)
    assert await bench.store.flaky(bench.paths.values()) == {bench.paths["once"]}


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
def site(bench: Bench) -> Iterator[HTTPServer]:
    """A server that nobody can reach before `serve_forever`."""
    handler = type("MarkPage", (Page,), {"text": bench.mark})
    server = HTTPServer(("127.0.0.1", bench.port), handler, bind_and_activate=False)
    server.allow_reuse_address = True
    yield server
    server.server_close()


async def test_a_fetch_without_network_is_tried_again(bench: Bench, site: HTTPServer) -> None:
    backoff = Backoff(first_seconds=0.5, factor=1, attempts=100)
    async with bench.scheduler(attrs.evolve(SETTINGS, backoff=backoff)).running() as running:
        await running.add(bench.wanted("fetched"))
        with anyio.fail_after(PATIENCE_SECONDS):
            while not any(each.ended_at for each in await bench.attempts("fetched")):  # noqa: ASYNC110 - as above
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
    attempts = await bench.attempts("fetched")
    assert (attempts[0].outcome, attempts[0].kind) == (S.PROCESS_DEATH, TransientKind.NETWORK)
    assert attempts[0].reason.startswith("the fetch failed because of the network: ")
    assert attempts[-1].outcome is S.SUCCESS
    assert await bench.state("fetched") == Build(bench.paths["fetched"], S.SUCCESS, failures=0)
    assert (await bench.state("on-fetched")).state is S.SUCCESS


async def test_a_network_that_stays_away_ends_as_process_death(bench: Bench) -> None:
    assert await bench.scheduler().build(bench.wanted("fetched")) == ()
    attempts = await bench.assert_interrupted("fetched", S.PROCESS_DEATH)
    assert [each.kind for each in attempts] == [TransientKind.NETWORK] * 2
    assert attempts[-1].reason.endswith("(given up after 2 attempts)")


# A scheduler of its own process, to be killed.
CHILD = """
import json
import sys
from functools import partial
from pathlib import Path

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


def own_process(bench: Bench, name: str) -> subprocess.Popen[bytes]:
    """Start a scheduler that builds this."""
    argv = [sys.executable, "-c", CHILD, str(bench.folder), str(bench.paths[name])]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(json.dumps(bench.environment).encode())
    child.stdin.close()
    return child


async def test_a_killed_scheduler_is_told_and_its_build_made_again(bench: Bench) -> None:
    with own_process(bench, "on-silent") as child:
        await bench.until_builds()
        child.send_signal(signal.SIGKILL)
    with anyio.fail_after(PATIENCE_SECONDS):
        while bench.processes():  # noqa: ASYNC110 - the kernel ends what the dead had started
            await anyio.sleep(0.02)
    settings = attrs.evolve(SETTINGS, no_output_timeout_seconds=0.5)
    await bench.scheduler(settings).build(bench.wanted("silent"))
    first, second = await bench.assert_interrupted("silent", S.TIMEOUT)
    assert (first.outcome, first.reason) == (S.SCHEDULER_DEATH, "the scheduler that ran it died")
    assert second.id > first.id


def memory_group() -> Path:
    """The memory control group below which a test may make its own, as whoever runs the tests says."""
    given = os.environ.get("TEST_MEMORY_GROUP")
    if not given:
        pytest.skip("no control group to run out of memory in: set TEST_MEMORY_GROUP to one that tests may use")
    return Path(given)


@contextmanager
def limited(group: Path, mebibytes: int) -> Iterator[tuple[Path, Counter]]:
    """Make a group with so much memory and no swap; remove it in the end."""
    own = group / f"ekaci-{uuid.uuid4().hex[:8]}"
    own.mkdir()
    try:
        unified = (own / "memory.events").exists()
        if not unified and not (own / "memory.oom_control").exists():
            pytest.fail(f"{group} does not account memory to the groups below it")
        most = str(mebibytes << 20)
        (own / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(most)
        swap = own / ("memory.swap.max" if unified else "memory.memsw.limit_in_bytes")
        if swap.exists():
            swap.write_text("0" if unified else most)
        yield own, Counter(own / ("memory.events" if unified else "memory.oom_control"), "the group of the test")
    finally:
        own.rmdir()


def in_group(own: Path, environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Return an environment whose Nix builds in this group."""
    real = shutil.which("nix-store", path=environment["PATH"])
    folder.mkdir()
    wrapper = folder / "nix-store"
    wrapper.write_text(f'#!/bin/sh\necho $$ > {own}/cgroup.procs || exit 1\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    return {**environment, "PATH": f"{folder}:{environment['PATH']}"}


async def test_a_build_that_runs_out_of_memory_is_told_from_a_failing_one(bench: Bench) -> None:
    with limited(memory_group(), mebibytes=64) as (own, counter):
        environment = in_group(own, bench.environment, bench.folder / "bin")
        builder = attrs.evolve(bench.builder, environment=environment, counters=(counter,))
        await bench.scheduler(builder=builder).build(bench.wanted("greedy"))
        (attempt,) = await bench.assert_interrupted("greedy", S.OUT_OF_MEMORY)
        assert "the group of the test went from 0 to 1" in attempt.reason
