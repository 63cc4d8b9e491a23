"""Whole builds with daemons of every version that is spoken, and with ones that misbehave."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import attrs
import pytest
from tests.plugins.ekaci_builder_daemon.stand_in import (
    ADD_INDIRECT_ROOT,
    ADD_TEMP_ROOT,
    LAST,
    NEXT,
    OUTPUT_MAP,
    RESULT,
    Dialogue,
    Script,
    error,
    log_line,
    phase,
    s,
    stand_in,
    started,
    w,
)

from ekaci_builder_daemon import connection as connecting
from ekaci_builder_daemon import pool as pooling
from ekaci_builder_daemon.builder import DaemonBuilder
from ekaci_builder_daemon.hook import Hook
from ekaci_builder_daemon.operations import Options
from ekaci_builder_daemon.pool import Pool
from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildRequest,
    BuildState,
    Built,
    DerivationRecord,
    DrvPath,
    Output,
    PluginContext,
    StorePath,
    System,
    TransientKind,
)
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.testing.builders import RealClock

pytestmark = pytest.mark.anyio

DRV = DrvPath("/nix/store/00000000000000000000000000000000-x.drv")
LINUX = System("x86_64-linux")


@attrs.define
class RecordingLogger:
    """A logger that keeps what it is told."""

    warnings: list[str] = attrs.field(factory=list)

    def debug(self, event: str, /, **fields: object) -> None:
        """Leave it out."""

    def info(self, event: str, /, **fields: object) -> None:
        """Leave it out."""

    def warning(self, event: str, /, **fields: object) -> None:
        """Keep it."""
        del fields
        self.warnings.append(event)


@attrs.frozen
class Place:
    """Where a test takes place."""

    folder: Path
    log: RecordingLogger

    @property
    def out(self) -> Path:
        """The output, which is no path of a real store: nothing but a daemon writes there."""
        return self.folder / "out"

    def request(self, **changes: object) -> BuildRequest:
        """What is to be built."""
        record = DerivationRecord(DRV, "x", LINUX, (), (Output("out", StorePath(str(self.out))),))
        return attrs.evolve(BuildRequest(record, self.folder / "log"), **changes)  # type: ignore[arg-type]

    def said(self) -> list[str]:
        """The log."""
        return (self.folder / "log").read_text(errors="replace").splitlines()

    @asynccontextmanager
    async def builder(self, script: Script, version: int = 38) -> AsyncIterator[tuple[DaemonBuilder, list[Dialogue]]]:
        """A builder, and a daemon that does what a script says."""
        path = self.folder / "socket"
        async with stand_in(path, script, version=version) as dialogues:
            builder = self.alone(path)
            try:
                yield builder, dialogues
            finally:
                builder.pool.close()

    def alone(self, path: Path, programs: str = "/nowhere") -> DaemonBuilder:
        """A builder without a daemon, and without Nix."""
        environment = {"PATH": programs}
        context = PluginContext(RealClock(), self.log, environment, NixCommands(environment))
        pool = Pool(path, context.clock, Hook(path, context))
        return DaemonBuilder("daemon", frozenset({LINUX}), frozenset(), 2, Options(), pool, context)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, RecordingLogger())


def builds(place: Place, *told: bytes, times: int = 1) -> Script:
    """Return what a daemon does that builds, and tells this meanwhile."""

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        for number in range(times):
            if number == 0:
                await dialogue.options()
            drv = await dialogue.build()
            await dialogue.say(started(drv) + b"".join(told))
            place.out.touch()
            await dialogue.result(drv)
        await dialogue.gone()

    return script


@pytest.mark.parametrize("version", range(33, 41))
async def test_every_version_builds_and_has_a_log(place: Place, version: int) -> None:
    phases: list[str] = []
    told = (phase("unpack"), log_line("one"), log_line(b"tw\xff"))
    async with place.builder(builds(place, *told), version) as (builder, _):
        outcome = await builder.build(place.request(on_phase=phases.append))
    assert outcome == Built()
    assert place.said() == ["one", "tw�"]
    assert phases == ["unpack"]
    # Where the daemon does not say that it trusts nobody, a hook of our own is tried; there is no Nix to add it with.
    assert place.log.warnings == (["daemon_build_hook_stays"] if version < 35 else [])


@pytest.mark.parametrize("version", [33, 34, 37])
async def test_a_failure_is_told_alike_by_every_version(place: Place, version: int) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        await dialogue.say(started(drv) + log_line("the cause"))
        text = f"\x1b[31;1mbuilder for '{drv}' failed with exit code 3\x1b[0m;\n    last 1 log lines:\n    > the cause"
        if version < 34:
            await dialogue.say(error(text))
        else:
            await dialogue.result(drv, status=3, message=text)
        await dialogue.gone()

    async with place.builder(script, version) as (builder, _):
        outcome = await builder.build(place.request())
    assert outcome == BuildFailed("builder failed with exit code 3", exit_status=3)
    assert place.said()[0] == "the cause"


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        (8, "", BuildInterrupted(BuildState.TIMEOUT, "timed out")),
        (12, "", BuildFailed("not deterministic: building it again gave other outputs", final=True)),
        (3, "", BuildFailed("the build failed, and Nix did not say why")),
        (250, "something new", BuildFailed("something new")),
    ],
)
async def test_a_status_counts_where_the_daemon_says_no_more(
    place: Place, status: int, message: str, outcome: object
) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        await dialogue.say(started(drv))
        await dialogue.result(drv, status, message)
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        assert await builder.build(place.request()) == outcome


async def test_a_full_disk_is_the_machines(place: Place) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        await dialogue.result(drv, 9, "writing to file: No space left on device")
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        outcome = await builder.build(place.request())
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.transient, outcome.infrastructure) == (TransientKind.DISK, True)


async def test_settings_are_sent_once_and_connections_used_again(place: Place) -> None:
    async with place.builder(builds(place, times=3)) as (builder, dialogues):
        for _ in range(3):
            assert await builder.build(place.request()) == Built()
        assert len(dialogues) == 1


async def test_what_a_daemon_is_told(place: Place) -> None:
    told: list[dict[str, str]] = []

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        told.append(await dialogue.options())
        await dialogue.say(error("enough"))

    async with place.builder(script) as (builder, _):
        chosen = attrs.evolve(builder, options=Options(more={"sandbox": "relaxed", "timeout": "5"}))
        await chosen.build(place.request())
    assert told == [{"builders": "", "build-poll-interval": "1", "timeout": "5", "sandbox": "relaxed"}]


async def test_roots_are_made_for_outputs_that_were_not_known(place: Place) -> None:
    made = StorePath("/nix/store/00000000000000000000000000000001-x-dev")
    roots: list[str] = []

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        await dialogue.result(await dialogue.build())
        assert await dialogue.word() == OUTPUT_MAP
        assert await dialogue.text() == DRV
        place.out.touch()
        await dialogue.say(w(LAST, 3) + s("out", f"/{place.out.name}") + s("dev", made) + s("doc", ""))
        roots.append(await dialogue.path(ADD_INDIRECT_ROOT))
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        record = attrs.evolve(place.request().derivation, outputs=(Output("dev", None, "r:sha256"),))
        outcome = await builder.build(place.request(derivation=record))
    assert isinstance(outcome, BuildInterrupted), "its paths are in no store"
    assert "not understood" in outcome.reason
    assert not roots


async def hang(dialogue: Dialogue) -> None:
    await dialogue.gone()


async def lie_about_magic(dialogue: Dialogue) -> None:
    await dialogue.say(b"HTTP/1.1 400 Bad Request\r\n\r\n....")
    await dialogue.gone()


async def be_old(dialogue: Dialogue) -> None:
    await dialogue.say(w(0x6478696F, 0x100 | 32))
    await dialogue.gone()


async def be_another(dialogue: Dialogue) -> None:
    await dialogue.say(w(0x6478696F, 0x201))
    await dialogue.gone()


async def announce_features_without_end(dialogue: Dialogue) -> None:
    await dialogue.say(w(0x6478696F, 0x126, 2**50))
    await dialogue.gone()


@pytest.mark.parametrize(
    ("script", "said", "transient"),
    [
        (lie_about_magic, "no Nix daemon", None),
        (be_old, "speaks version 1.32 of the protocol, and 1.33 to 1.38", None),
        (be_another, "speaks version 2.1", None),
        (announce_features_without_end, "features", None),
    ],
)
async def test_who_is_no_daemon_is_told_once(
    place: Place, script: Script, said: str, transient: TransientKind | None
) -> None:
    async with place.builder(script) as (builder, _):
        for _ in range(3):
            outcome = await builder.build(place.request())
            assert isinstance(outcome, BuildInterrupted)
            assert said in outcome.reason
            assert (outcome.infrastructure, outcome.transient) == (True, transient)
    assert place.log.warnings == ["daemon_trouble"]


async def test_a_daemon_that_refuses_says_why(place: Place) -> None:
    async def script(dialogue: Dialogue) -> None:
        assert (await dialogue.word(), await dialogue.word()) == (0x6E697863, 0x126)
        await dialogue.say(w(0x6478696F, 0x125) + s("2.99.9") + w(2) + error("you may not"))
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        outcome = await builder.build(place.request())
    assert isinstance(outcome, BuildInterrupted)
    assert "it refuses: you may not" in outcome.reason


async def test_remarks_without_end_take_no_room(place: Place) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.say(10_000 * (w(NEXT) + s("warning: ignoring that\n")))
        await dialogue.options()
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        link = await connecting.Connection.open(place.folder / "socket")
        assert len(await link.set_options(Options())) == 20
        link.close()
        assert builder.slots == 2


async def test_a_daemon_that_says_nothing_is_not_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "GREETING_SECONDS", 0.2)
    async with place.builder(hang) as (builder, _):
        outcome = await builder.build(place.request())
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.transient is TransientKind.DAEMON
    assert "did not answer within 0.2 seconds" in outcome.reason


async def test_no_daemon_may_come_back(place: Place) -> None:
    outcome = await place.alone(place.folder / "nobody").build(place.request())
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.transient, outcome.infrastructure) == (TransientKind.DAEMON, True)
    assert "No such file" in outcome.reason


def during_the_build(*parts: Callable[[str], bytes]) -> Script:
    """Return what a daemon does that says this in the middle of a build, and closes the connection."""

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        for part in parts:
            await dialogue.say(part(drv))

    return script


async def test_a_connection_that_ends_in_a_message_is_a_lost_daemon(place: Place) -> None:
    script = during_the_build(started, lambda _: log_line("half a line of the log")[:50])
    async with place.builder(script) as (builder, _):
        outcome = await builder.build(place.request())
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.transient, outcome.kind) == (TransientKind.DAEMON, BuildState.PROCESS_DEATH)
    assert "lost during the build" in outcome.reason


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (lambda drv: w(LAST, 1) + s(f"{drv.replace('x', 'y')}!*") + w(0), "the result of another build"),
        (lambda _: w(LAST, 2), "2 results of one build"),
        (lambda _: w(RESULT, 1, 101, 1, 1, 2**60), "bytes of text"),
        (lambda _: w(12345), "unknown message"),
        (lambda drv: w(LAST, 1) + s(f"{drv}!*") + w(0) + s("") + w(1, 0, 0, 0, 0, 0, 2**33), "outputs"),
    ],
)
async def test_nonsense_in_a_build_is_the_machines(place: Place, part: Callable[[str], bytes], said: str) -> None:
    async with place.builder(during_the_build(started, part)) as (builder, _):
        outcome = await builder.build(place.request())
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure
    assert said in outcome.reason


async def test_no_result_is_a_daemon_that_was_stopped(place: Place) -> None:
    async with place.builder(during_the_build(lambda _: w(LAST, 0))) as (builder, _):
        outcome = await builder.build(place.request())
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.transient is TransientKind.DAEMON


async def test_an_output_that_is_not_there_is_not_believed(place: Place) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        await dialogue.result(await dialogue.build())
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        outcome = await builder.build(place.request())
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure
    assert f"{place.out} is not in the store" in outcome.reason


async def test_a_line_of_a_hundred_megabytes_is_cut(place: Place) -> None:
    size = 100_000_000

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        await dialogue.say(started(drv) + log_line("before") + w(RESULT, 7, 101, 1, 1, size))
        for _ in range(100):
            await dialogue.say(b"x" * 1_000_000)
        await dialogue.say(log_line("after"))
        place.out.touch()
        await dialogue.result(drv)
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        assert await builder.build(place.request()) == Built()
    before, line, after = place.said()
    assert (before, after) == ("before", "after")
    assert line.endswith("[the rest of this line was too long to keep]")
    assert len(line) < 1_100_000


async def test_who_floods_is_read_until_the_time_is_over(place: Place) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        await dialogue.say(started(drv))
        number = 0
        while True:
            number += 1
            await dialogue.say(started(drv.replace("x", "y"), activity=number) + log_line("y" * 1000, number))

    async with place.builder(script) as (builder, _):
        outcome = await builder.build(place.request(max_duration_seconds=0.5))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.kind is BuildState.TIMEOUT
    assert place.said()[-1].startswith("[stopped: not finished after")


async def test_silence_closes_the_connection(place: Place) -> None:
    closed = anyio.Event()

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        await dialogue.say(started(await dialogue.build()) + log_line("begun"))
        await dialogue.gone()
        closed.set()

    async with place.builder(script) as (builder, _):
        outcome = await builder.build(place.request(no_output_timeout_seconds=0.2))
        assert isinstance(outcome, BuildInterrupted)
        assert outcome.kind is BuildState.TIMEOUT
        with anyio.fail_after(30):
            await closed.wait()
    assert place.said() == ["begun", "[stopped: no output for 0.2 seconds]"]


async def test_who_waits_for_another_build_is_not_silent(place: Place) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        await dialogue.say(started(drv, kind=111))
        await anyio.sleep(0.6)
        place.out.touch()
        await dialogue.result(drv)
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        assert await builder.build(place.request(no_output_timeout_seconds=0.2)) == Built()


async def test_a_daemon_that_was_started_anew_is_asked_again(place: Place) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        place.out.touch()
        await dialogue.result(drv)
        if dialogue.number == 0:
            await dialogue.build()  # the next wish is taken, and never answered
        else:
            await dialogue.gone()

    async with place.builder(script) as (builder, dialogues):
        assert await builder.build(place.request()) == Built()
        assert await builder.build(place.request()) == Built()
        assert len(dialogues) == 2


async def test_idle_connections_of_a_dead_daemon_are_left(place: Place) -> None:
    path = place.folder / "socket"
    builder = place.alone(path)
    for _ in range(2):
        async with stand_in(path, builds(place)) as dialogues:
            assert await builder.build(place.request()) == Built()
            assert len(dialogues) == 1
        path.unlink()
    builder.pool.close()


async def test_many_at_once_have_a_connection_each(place: Place) -> None:
    async with place.builder(builds(place, log_line("x"))) as (builder, dialogues), anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(builder.build, place.request(log=place.folder / f"log{number}"))
    assert len(dialogues) == 20
    assert all((place.folder / f"log{number}").read_text() == "x\n" for number in range(20))


async def test_a_full_queue_of_connections_is_waited_for(place: Place) -> None:
    path = place.folder / "busy"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(path))
        listener.listen(0)
        first.connect(str(path))
        with anyio.move_on_after(0.3) as scope:
            await place.alone(path).build(place.request())
        assert scope.cancelled_caught, "it neither fails nor believes that it is connected"


async def test_messages_while_settings_are_taken_are_told_once(place: Place) -> None:
    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        for number in range(2):
            await dialogue.say(w(NEXT) + s("warning: ignoring that setting\n"))
            await dialogue.options()
            drv = await dialogue.build()
            place.out.touch()
            await dialogue.result(drv)
            assert number in (0, 1)
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        assert await builder.build(place.request()) == Built()
        assert await builder.build(place.request(max_duration_seconds=5)) == Built()
    assert place.log.warnings == ["daemon_says"]
    assert place.said() == []


async def test_a_root_in_the_place_of_a_file_is_refused(place: Place) -> None:
    occupied = place.folder / "roots" / "result"
    occupied.parent.mkdir()
    occupied.write_text("mine")
    async with place.builder(builds(place)) as (builder, _):
        outcome = await builder.build(place.request(gc_root=occupied))
    assert isinstance(outcome, BuildInterrupted)
    assert "in the place of a root" in outcome.reason
    assert occupied.read_text() == "mine"


async def test_lines_are_in_the_log_while_the_build_runs(place: Place) -> None:
    seen = anyio.Event()

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.options()
        drv = await dialogue.build()
        await dialogue.say(started(drv) + log_line("early"))
        deadline = time.monotonic() + 30
        while "early" not in (place.said() if (place.folder / "log").exists() else []):
            assert time.monotonic() < deadline
            await anyio.sleep(0.01)
        seen.set()
        place.out.touch()
        await dialogue.result(drv)
        await dialogue.gone()

    async with place.builder(script) as (builder, _):
        assert await builder.build(place.request()) == Built()
    assert seen.is_set()


def store_that_adds(folder: Path, path: str) -> str:
    """Put a ``nix-store`` into a folder that adds what it is given as this path, and return the search path with it."""
    program = folder / "bin" / "nix-store"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$NIX_REMOTE" = "unix://{folder}/socket" ] && [ "$1" = --add ] && [ -x "$2" ] || exit 1\n'
        f'echo added >> {folder}/added; cp "$2" {path}; echo {path}\n'
    )
    program.chmod(0o755)
    return f"{program.parent}:/bin:/usr/bin"


async def test_who_is_trusted_names_a_hook_and_holds_it(place: Place) -> None:
    hook, told = place.folder / "hook", []

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet(trust=1)
        assert await dialogue.path(ADD_TEMP_ROOT) == str(hook)
        told.append((await dialogue.options())["build-hook"])
        drv = await dialogue.build()
        place.out.touch()
        await dialogue.result(drv)

    async with stand_in(place.folder / "socket", script):
        builder = place.alone(place.folder / "socket", store_that_adds(place.folder, str(hook)))
        for _ in range(2):
            assert await builder.build(place.request()) == Built()
            builder.pool.close()
    assert told == [str(hook)] * 2
    assert (place.folder / "added").read_text() == "added\n", "once for all connections"


async def test_a_connection_is_used_so_often_and_left_alone_so_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "_BUILDS_EACH", 2)
    monkeypatch.setattr(pooling, "_IDLE_SECONDS", 0.05)
    async with place.builder(builds(place, times=3)) as (builder, dialogues), anyio.create_task_group() as tasks:
        for _ in range(3):
            assert await builder.build(place.request()) == Built()
        assert len(dialogues) == 2
        tasks.start_soon(builder.pool.tidy)
        with anyio.fail_after(30):
            while builder.pool._idle:  # noqa: ASYNC110 - what closes them sets no event
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
