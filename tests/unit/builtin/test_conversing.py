"""An attempt that a builder has by talking to the daemon: what the core does for it."""

from __future__ import annotations

from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildRequest,
    BuildState,
    Built,
    DerivationRecord,
    DrvPath,
    HearNix,
    InfrastructureFault,
    NixMessage,
    NixResult,
    NixStarted,
    Output,
    StorePath,
    System,
    TransientKind,
)
from ekaci_core.builtin.local_builder.conversing import Conversing
from ekaci_core.builtin.local_builder.memory import Counter

pytestmark = pytest.mark.anyio

DRV = DrvPath("/nix/store/00000000000000000000000000000000-x.drv")
FIXED = Output("out", StorePath("/nix/store/00000000000000000000000000000001-x"), "sha256", "0" * 64)
RECORD = DerivationRecord(
    DRV, "x", System("x86_64-linux"), (), (attrs.evolve(FIXED, method_and_algorithm="", hash=""),)
)
STARTED = NixStarted(1, 105, (DRV,))


@pytest.fixture
def request_to_build(tmp_path: Path) -> BuildRequest:
    return BuildRequest(derivation=RECORD, log=tmp_path / "logs" / "build.log")


def line(text: str) -> NixResult:
    return NixResult(1, 101, (text,))


async def test_what_is_heard_becomes_log_phases_and_judgement(request_to_build: BuildRequest) -> None:
    phases: list[str] = []

    async def converse(hear: HearNix) -> int:
        hear([STARTED, NixResult(1, 104, ("build",)), line("one"), line("two")])
        assert request_to_build.log.read_text() == "one\ntwo\n", "it is there at once"
        hear([NixMessage(0, f"builder for '{DRV}' failed with exit code 4;", is_error=True)])
        return 100

    done = await Conversing(attrs.evolve(request_to_build, on_phase=phases.append), converse).run()
    assert done.outcome == BuildFailed("builder failed with exit code 4", exit_status=4)
    assert done.began
    assert done.errors == ("builder for '' failed with exit code 4;",)
    assert phases == ["build"]


async def test_status_nought_is_success_whatever_was_said(request_to_build: BuildRequest) -> None:
    async def converse(hear: HearNix) -> int:
        hear([NixMessage(0, "error (ignored): something")])
        return 0

    assert (await Conversing(request_to_build, converse).run()).outcome == Built()


async def test_a_reason_of_its_own_stands(request_to_build: BuildRequest) -> None:
    reason = BuildInterrupted(BuildState.PROCESS_DEATH, "gone", infrastructure=True, transient=TransientKind.DAEMON)

    async def converse(hear: HearNix) -> BuildInterrupted:
        hear([STARTED, line("begun")])
        return reason

    done = await Conversing(request_to_build, converse).run()
    assert (done.outcome, done.began) == (reason, True)


async def test_a_fault_that_it_raises_is_an_outcome(request_to_build: BuildRequest) -> None:
    async def converse(hear: HearNix) -> int:
        del hear
        raise InfrastructureFault("no daemon", where="/socket")

    outcome = (await Conversing(request_to_build, converse).run()).outcome
    assert outcome == BuildInterrupted(BuildState.PROCESS_DEATH, "/socket: no daemon", infrastructure=True)


@pytest.mark.parametrize("limits", [{"no_output_timeout_seconds": 0.05}, {"max_duration_seconds": 0.05}])
async def test_either_limit_cancels_it(request_to_build: BuildRequest, limits: dict[str, float]) -> None:
    cancelled = False

    async def converse(hear: HearNix) -> int:
        nonlocal cancelled
        hear([STARTED, line("begun")])
        try:
            await anyio.sleep(60)
        finally:
            cancelled = True
        return 0

    request = attrs.evolve(request_to_build, **limits)  # type: ignore[arg-type]  # both are numbers
    outcome = (await Conversing(request, converse).run()).outcome
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.kind is BuildState.TIMEOUT
    assert cancelled
    assert request_to_build.log.read_text().startswith("begun\n[stopped: no")


async def test_who_speaks_is_not_silent(request_to_build: BuildRequest) -> None:
    async def converse(hear: HearNix) -> int:
        for _ in range(8):
            await anyio.sleep(0.05)
            hear([NixResult(1, 105, (1, 2, 3, 4))])
        return 0

    request = attrs.evolve(request_to_build, no_output_timeout_seconds=0.3)
    assert (await Conversing(request, converse).run()).outcome == Built()


async def test_a_log_that_cannot_be_written_ends_it(request_to_build: BuildRequest) -> None:
    async def converse(hear: HearNix) -> int:
        hear([line("to nowhere")])
        await anyio.sleep(60)
        return 0

    outcome = (await Conversing(attrs.evolve(request_to_build, log=Path("/dev/full")), converse).run()).outcome
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.transient, outcome.infrastructure) == (TransientKind.DISK, True)


async def test_memory_is_blamed_where_a_counter_moved(request_to_build: BuildRequest, tmp_path: Path) -> None:
    counts = tmp_path / "memory.events"
    counts.write_text("oom_kill 1\n")

    async def converse(hear: HearNix) -> int:
        counts.write_text("oom_kill 2\n")
        hear([STARTED, NixMessage(0, f"builder for '{DRV}' failed due to signal 9 (Killed)", is_error=True)])
        return 100

    outcome = (await Conversing(request_to_build, converse, (Counter(counts, "the daemon's group"),)).run()).outcome
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.kind is BuildState.OUT_OF_MEMORY
    assert "the daemon's group went from 1 to 2" in outcome.reason


async def test_a_fetch_is_judged_by_the_end_of_its_log(request_to_build: BuildRequest) -> None:
    async def converse(hear: HearNix) -> int:
        hear([STARTED, line("curl: (6) Could not resolve host: example.org")])
        hear([NixMessage(0, f"builder for '{DRV}' failed with exit code 1;", is_error=True)])
        return 100

    request = attrs.evolve(request_to_build, derivation=attrs.evolve(RECORD, outputs=(FIXED,)))
    outcome = (await Conversing(request, converse).run()).outcome
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.transient is TransientKind.NETWORK


async def test_activities_without_end_take_no_room(request_to_build: BuildRequest) -> None:
    async def converse(hear: HearNix) -> int:
        hear(NixStarted(number, 105, (f"{DRV}{number}",)) for number in range(10_000))
        hear(NixStarted(number, 111, (DRV,)) for number in range(10_000))
        hear([line("still there")])
        return 0

    assert (await Conversing(request_to_build, converse).run()).outcome == Built()
    assert "still there" in request_to_build.log.read_text()
