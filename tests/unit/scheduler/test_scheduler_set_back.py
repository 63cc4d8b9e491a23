"""Attempts that end for a reason which may pass by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildRequest, Built, TransientKind
from ekaci_core.model.build import COUNTED_OUTCOMES, Build, BuildState
from ekaci_core.scheduler import Backoff, BuildRun, Scheduler, SchedulerSettings, Wanted
from ekaci_core.store import Store
from ekaci_core.store.contract import Attempt
from ekaci_core.testing.builds import Act, ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

pytestmark = pytest.mark.anyio

S = BuildState
FAILS = BuildFailed("builder failed with exit code 1", 1)
NETWORK = BuildInterrupted(S.PROCESS_DEATH, "no network", transient=TransientKind.NETWORK)
DAEMON = BuildInterrupted(S.PROCESS_DEATH, "no daemon", infrastructure=True, transient=TransientKind.DAEMON)
BROKEN = BuildInterrupted(S.PROCESS_DEATH, "no sandbox", infrastructure=True)
SOON = Backoff(first_seconds=0.001, factor=1)
LATE = Backoff(first_seconds=3600, most_seconds=3600)


@attrs.define
class Stage:
    store: Store
    nix: ScriptedNix
    folder: Path

    def scheduler(
        self, script: Mapping[str, Sequence[Act]], *, backoff: Backoff = SOON, slots: int = 2, keep_going: bool = True
    ) -> tuple[Scheduler, ScriptedBuilder]:
        builder = ScriptedBuilder(self.nix, script, slots=slots)
        settings = SchedulerSettings(poll_seconds=0.01, backoff=backoff, keep_going=keep_going)
        return scripted_scheduler(self.store, self.nix, [builder], self.folder, settings=settings), builder

    async def build(self, *names: str, script: Mapping[str, Sequence[Act]]) -> tuple[str, ...]:
        scheduler, builder = self.scheduler(script)
        infrastructure = await scheduler.build([Wanted(drv_path(name)) for name in names])
        assert builder.violations == []
        return infrastructure

    async def state(self, name: str) -> Build:
        return (await self.store.builds([drv_path(name)])).get(drv_path(name), Build(drv_path(name)))

    async def attempts(self, name: str) -> Sequence[Attempt]:
        return (await self.store.attempts([drv_path(name)]))[drv_path(name)]

    async def until(self, name: str, state: BuildState) -> None:
        with anyio.fail_after(20):
            while (await self.state(name)).state is not state:  # noqa: ASYNC110 - the database sets no event
                await anyio.sleep(0.005)


@pytest.fixture
async def stage(store: Store, nix: ScriptedNix, tmp_path: Path) -> Stage:
    # lib <- app; other
    nix.derivation("lib")
    nix.derivation("app", ["lib"])
    nix.derivation("other")
    await nix.evaluated(store)
    return Stage(store, nix, tmp_path)


async def test_a_passing_fault_costs_no_retry(stage: Stage) -> None:
    assert await stage.build("app", script={"lib": [NETWORK, FAILS, NETWORK, NETWORK, Built()]}) == ()
    assert await stage.state("lib") == Build(drv_path("lib"), S.SUCCESS, failures=1)
    assert (await stage.state("app")).state is S.SUCCESS
    attempts = await stage.attempts("lib")
    assert [(each.outcome, each.kind) for each in attempts] == [
        (S.PROCESS_DEATH, TransientKind.NETWORK),
        (S.FAILED_RETRY, None),
        (S.PROCESS_DEATH, TransientKind.NETWORK),
        (S.PROCESS_DEATH, TransientKind.NETWORK),
        (S.SUCCESS, None),
    ]
    assert attempts[0].reason == "no network; again in 0.001 s"


async def test_failures_are_counted_to_two_whatever_happens_between(stage: Stage) -> None:
    await stage.build("app", script={"lib": [NETWORK, FAILS, NETWORK, FAILS, Built()]})
    assert await stage.state("lib") == Build(drv_path("lib"), S.FAILURE, failures=2)
    assert (await stage.state("app")).state is S.TRANSITIVE_FAILURE
    assert sum(each.outcome in COUNTED_OUTCOMES for each in await stage.attempts("lib")) == 2


async def test_what_does_not_pass_ends_in_words(stage: Stage) -> None:
    assert await stage.build("app", "other", script={"lib": [NETWORK] * 9}) == ()
    attempts = await stage.attempts("lib")
    assert len(attempts) == SOON.attempts
    assert attempts[-1].reason == "no network (given up after 4 attempts)"
    assert attempts[-1].kind is TransientKind.NETWORK
    assert (await stage.state("lib")).state is S.PROCESS_DEATH
    blocked = Build(drv_path("app"), S.BLOCKED, blockers=frozenset({drv_path("lib")}))
    assert await stage.state("app") == blocked
    assert (await stage.state("other")).state is S.SUCCESS

    await stage.build("app", script={})
    assert (await stage.state("app")).state is S.SUCCESS, "the next run tries again"


async def test_a_fault_of_the_machine_is_told_once_it_does_not_pass(stage: Stage) -> None:
    assert await stage.build("lib", script={"lib": [DAEMON, DAEMON, DAEMON]}) == ()
    assert (await stage.state("lib")).state is S.SUCCESS
    assert await stage.build("other", script={"other": [DAEMON] * 9}) == ("no daemon",)
    assert (await stage.state("other")).state is S.PROCESS_DEATH


async def test_faults_in_a_row_are_counted_and_not_all(stage: Stage) -> None:
    script: list[Act] = [NETWORK, NETWORK, NETWORK, FAILS, NETWORK, NETWORK, NETWORK, Built()]
    await stage.build("lib", script={"lib": script})
    assert await stage.state("lib") == Build(drv_path("lib"), S.SUCCESS, failures=1)


async def test_a_pause_holds_no_slot_and_no_claim_and_is_no_end(stage: Stage) -> None:
    scheduler, builder = stage.scheduler({"lib": [NETWORK]}, backoff=LATE, slots=1)
    async with scheduler.running() as run:
        await run.add([Wanted(drv_path("lib"), 2), Wanted(drv_path("other"), 1)])
        await stage.until("other", S.SUCCESS)
        assert (await stage.state("lib")).state is S.BUILDABLE
        assert drv_path("lib") not in await stage.store.claims()
        with anyio.move_on_after(0.1) as still:
            await run.wait()
        assert still.cancelled_caught, "the run waits for it"
    assert builder.attempts == {"lib": 1, "other": 1}


async def test_when_the_machine_fails_nobody_waits_for_a_pause(stage: Stage) -> None:
    async def fail_later(request: BuildRequest) -> BuildOutcome:
        del request
        await stage.until("lib", S.BUILDABLE)
        return BROKEN

    scheduler, builder = stage.scheduler({"lib": [NETWORK], "other": [fail_later]}, backoff=LATE)
    with anyio.fail_after(60):
        assert await scheduler.build([Wanted(drv_path("lib")), Wanted(drv_path("other"))]) == ("no sandbox",)
    assert builder.attempts["lib"] == 1


async def test_what_pauses_is_given_up_with_the_rest(stage: Stage) -> None:
    async def fail_later(request: BuildRequest) -> BuildOutcome:
        del request
        await stage.until("lib", S.BUILDABLE)
        return BuildFailed("hash mismatch", 102, final=True)

    script: dict[str, list[Act]] = {"lib": [NETWORK], "other": [fail_later]}
    scheduler, _ = stage.scheduler(script, backoff=LATE, keep_going=False)
    with anyio.fail_after(60):
        await scheduler.build([Wanted(drv_path("lib")), Wanted(drv_path("other"))])
    assert (await stage.state("lib")).state is S.CANCELLED


async def test_what_pauses_here_can_be_built_by_another(stage: Stage) -> None:
    scheduler, builder = stage.scheduler({"lib": [NETWORK]}, backoff=Backoff(first_seconds=0.3))
    other, second = stage.scheduler({})

    async def meanwhile(run: BuildRun) -> None:
        await stage.until("lib", S.BUILDABLE)
        await other.build([Wanted(drv_path("lib"))])
        await run.wait()

    async with scheduler.running() as run:
        await run.add([Wanted(drv_path("app"))])
        await builder.begun("lib")
        await meanwhile(run)
    assert (builder.attempts["lib"], second.attempts["lib"]) == (1, 1)
    assert (await stage.state("app")).state is S.SUCCESS


@pytest.mark.parametrize("kind", list(TransientKind))
async def test_what_may_pass_is_tried_elsewhere(stage: Stage, kind: TransientKind) -> None:
    lost = BuildInterrupted(S.PROCESS_DEATH, "lost", transient=kind)
    first = ScriptedBuilder(stage.nix, {"lib": [lost] * 9}, name="first", slots=3)
    second = ScriptedBuilder(stage.nix, {}, name="second", slots=1)
    settings = SchedulerSettings(poll_seconds=0.01, backoff=SOON)
    scheduler = scripted_scheduler(stage.store, stage.nix, [first, second], stage.folder, settings=settings)
    assert await scheduler.build([Wanted(drv_path("app"))]) == ()
    assert [(each.builder, each.kind) for each in await stage.attempts("lib")] == [("first", kind), ("second", None)]
    assert (await stage.state("app")).state is S.SUCCESS
