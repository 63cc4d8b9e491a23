from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import pytest

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildRequest, InfrastructureFault
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.event import BuildFinished, BuildPhase, BuildsPlanned, BuildStarted, ReviewEvent
from ekaci_core.model.ids import System
from ekaci_core.scheduler import SchedulerSettings, Wanted, gc_root, log_path
from ekaci_core.store import Store
from ekaci_core.testing.builds import Act, ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

pytestmark = pytest.mark.anyio

FAILS = BuildFailed("builder failed with exit code 1", 1)
WRONG_HASH = BuildFailed("hash mismatch", 102, final=True)
TIMED_OUT = BuildInterrupted(BuildState.TIMEOUT, "no output for 20 minutes")
DISK_FULL = BuildInterrupted(BuildState.PROCESS_DEATH, "no space left on device", infrastructure=True)


@attrs.define
class Stage:
    store: Store
    nix: ScriptedNix
    folder: Path
    settings: SchedulerSettings = SchedulerSettings(poll_seconds=0.01)

    async def build(
        self, *names: str, script: Mapping[str, Sequence[Act]] | None = None, slots: int = 2
    ) -> ScriptedBuilder:
        builder = ScriptedBuilder(self.nix, script, slots=slots)
        scheduler = scripted_scheduler(self.store, self.nix, [builder], self.folder, settings=self.settings)
        self.infrastructure = await scheduler.build([Wanted(drv_path(name)) for name in names])
        assert builder.violations == []
        return builder

    infrastructure: tuple[str, ...] = ()

    async def builds(self, *names: str) -> dict[str, Build]:
        found = await self.store.builds([drv_path(name) for name in names])
        return {drv.name: build for drv, build in found.items()}

    async def states(self, *names: str) -> list[BuildState | None]:
        builds = await self.builds(*names)
        return [builds[name].state if name in builds else None for name in names]


@pytest.fixture
async def stage(store: Store, nix: ScriptedNix, tmp_path: Path) -> Stage:
    # lib <- tool <- app <- top; lib <- other
    nix.derivation("lib")
    nix.derivation("tool", ["lib"])
    nix.derivation("app", ["tool"])
    nix.derivation("top", ["app", "lib"])
    nix.derivation("other", ["lib"])
    await nix.evaluated(store)
    return Stage(store, nix, tmp_path)


async def test_builds_inputs_first_and_each_once(stage: Stage) -> None:
    builder = await stage.build("top", "other", "app")
    assert builder.attempts == dict.fromkeys(["lib", "tool", "app", "top", "other"], 1)
    assert await stage.states("top", "other", "lib") == [BuildState.SUCCESS] * 3
    assert builder.order.index("lib") < builder.order.index("tool") < builder.order.index("app")


async def test_what_is_valid_or_fetchable_is_a_success_without_a_build(stage: Stage) -> None:
    stage.nix.valid = {"tool", "lib"}
    stage.nix.fetchable = {"other"}
    builder = await stage.build("top", "other", "tool")
    assert sorted(builder.attempts) == ["app", "top"]
    assert await stage.states("top", "other", "tool") == [BuildState.SUCCESS] * 3
    assert await stage.states("lib") == [None]


async def test_a_second_run_builds_nothing(stage: Stage) -> None:
    await stage.build("top")
    builder = await stage.build("top")
    assert not builder.attempts


async def test_outputs_that_were_collected_are_built_again(stage: Stage) -> None:
    await stage.build("top")
    stage.nix.valid -= {"app", "top"}
    builder = await stage.build("top")
    assert sorted(builder.attempts) == ["app", "top"]
    assert await stage.states("top") == [BuildState.SUCCESS]


async def test_a_failing_build_gets_one_more_attempt(stage: Stage) -> None:
    builder = await stage.build("top", script={"tool": [FAILS]})
    assert builder.attempts["tool"] == 2
    assert (await stage.builds("tool"))["tool"].failures == 1
    assert await stage.states("tool", "top") == [BuildState.SUCCESS] * 2


async def test_the_second_failure_is_final_and_dependents_name_it(stage: Stage) -> None:
    builder = await stage.build("top", "other", script={"tool": [FAILS, FAILS]})
    assert builder.attempts == {"lib": 1, "tool": 2, "other": 1}
    builds = await stage.builds("tool", "app", "top", "other")
    assert [builds[name].state for name in ("tool", "app", "top", "other")] == [
        BuildState.FAILURE,
        BuildState.TRANSITIVE_FAILURE,
        BuildState.TRANSITIVE_FAILURE,
        BuildState.SUCCESS,
    ]
    assert builds["top"].blockers == {drv_path("tool")}


async def test_a_final_failure_is_not_tried_again(stage: Stage) -> None:
    builder = await stage.build("other", script={"other": [WRONG_HASH]})
    assert builder.attempts["other"] == 1
    assert await stage.states("other") == [BuildState.FAILURE]


async def test_known_failures_are_not_built_again_unless_asked(stage: Stage) -> None:
    await stage.build("app", script={"tool": [FAILS, FAILS]})
    again = await stage.build("top")
    assert not again.attempts
    assert (await stage.builds("top"))["top"].blockers == {drv_path("tool")}

    stage.settings = attrs.evolve(stage.settings, rebuild_failed=True)
    asked = await stage.build("top")
    assert asked.attempts == {"tool": 1, "app": 1, "top": 1}
    assert await stage.states("tool", "app", "top") == [BuildState.SUCCESS] * 3


async def test_a_failure_that_became_valid_is_a_success(stage: Stage) -> None:
    await stage.build("tool", script={"tool": [FAILS, FAILS]})
    stage.nix.valid.add("tool")
    await stage.build("app", "tool")
    assert await stage.states("tool", "app") == [BuildState.SUCCESS] * 2


async def test_an_interruption_blocks_dependents_and_the_next_run_tries_again(stage: Stage) -> None:
    builder = await stage.build("top", "other", script={"tool": [FAILS, TIMED_OUT]})
    assert builder.attempts["tool"] == 2
    builds = await stage.builds("tool", "top", "other")
    assert builds["tool"] == Build(drv_path("tool"), BuildState.TIMEOUT, failures=1)
    assert builds["top"] == Build(drv_path("top"), BuildState.BLOCKED, blockers=frozenset({drv_path("tool")}))
    assert builds["other"].state is BuildState.SUCCESS

    again = await stage.build("top", script={"tool": [FAILS]})
    assert again.attempts == {"tool": 1}, "the failure of the first run counts"
    assert await stage.states("tool", "top") == [BuildState.FAILURE, BuildState.TRANSITIVE_FAILURE]


async def test_a_fault_of_the_machine_starts_nothing_new(stage: Stage) -> None:
    builder = await stage.build("top", "other", script={"tool": [DISK_FULL]}, slots=1)
    assert stage.infrastructure == ("no space left on device",)
    assert sorted(builder.attempts) == ["lib", "tool"]
    assert await stage.states("tool", "app", "other") == [
        BuildState.PROCESS_DEATH,
        BuildState.BLOCKED,
        BuildState.BUILDABLE,
    ]
    stage.infrastructure = ()
    again = await stage.build("top", "other")
    assert sorted(again.attempts) == ["app", "other", "tool", "top"]


async def test_a_builder_that_breaks_its_contract_harms_no_other_build(stage: Stage) -> None:
    async def surprise(request: BuildRequest) -> BuildOutcome:
        raise ValueError(f"cannot cope with {request.derivation.name}")

    await stage.build("top", "other", script={"tool": [surprise]})
    assert await stage.states("tool", "top", "other") == [
        BuildState.PROCESS_DEATH,
        BuildState.BLOCKED,
        BuildState.SUCCESS,
    ]
    attempt = (await stage.store.last_attempts([drv_path("tool")]))[drv_path("tool")]
    assert attempt.reason == "the builder itself failed: ValueError: cannot cope with tool"
    assert stage.infrastructure == ()


async def test_a_builder_that_reports_a_fault_of_the_machine_stops_the_run(stage: Stage) -> None:
    async def gone(request: BuildRequest) -> BuildOutcome:
        raise InfrastructureFault("the daemon is gone", where=request.derivation.name)

    await stage.build("top", script={"lib": [gone]})
    assert stage.infrastructure == ("lib: the daemon is gone",)
    assert await stage.states("lib", "top") == [BuildState.PROCESS_DEATH, BuildState.BLOCKED]


async def test_a_log_directory_that_cannot_be_made_is_a_fault_of_the_machine(stage: Stage) -> None:
    (stage.folder / "logs").write_text("in the way")
    with pytest.raises(InfrastructureFault, match="the directory for logs of builds cannot be made"):
        await stage.build("lib")
    assert await stage.states("lib") == [None]


async def test_what_no_builder_takes_is_unsatisfiable_with_the_reason(store: Store, tmp_path: Path) -> None:
    nix = ScriptedNix()
    nix.derivation("here")
    nix.derivation("fetcher", system=System("builtin"))
    nix.derivation("elsewhere", ["here"], system=System("aarch64-darwin"))
    nix.derivation("virtual", ["here"], features=["big", "kvm"])
    nix.derivation("image", ["virtual", "fetcher"])
    await nix.evaluated(store)
    stage = Stage(store, nix, tmp_path)
    await stage.build("elsewhere", "image", "fetcher")
    assert await stage.states("elsewhere", "virtual", "image", "here", "fetcher") == [
        BuildState.UNSATISFIABLE,
        BuildState.UNSATISFIABLE,
        BuildState.TRANSITIVE_FAILURE,
        BuildState.SUCCESS,
        BuildState.SUCCESS,
    ]
    builder = ScriptedBuilder(nix, features=["kvm", "big"], systems=[System("aarch64-darwin"), System("x86_64-linux")])
    await scripted_scheduler(store, nix, [builder], tmp_path).build([Wanted(drv_path("image"))])
    assert await stage.states("virtual", "image") == [BuildState.SUCCESS] * 2


async def test_attempts_have_log_builder_reason_and_roots(stage: Stage) -> None:
    seen: list[BuildRequest] = []

    async def look(request: BuildRequest) -> BuildOutcome:
        seen.append(request)
        return FAILS

    await stage.build("lib", script={"lib": [look, look]})
    lib = drv_path("lib")
    assert [request.log for request in seen] == [log_path(stage.folder / "logs", lib)] * 2
    assert seen[0].log == stage.folder / "logs" / lib.hash_part / "build.log"
    assert seen[0].gc_root == gc_root(stage.folder / "roots", lib)
    assert seen[0].derivation.path == lib
    attempt = (await stage.store.last_attempts([lib]))[lib]
    assert (attempt.builder, attempt.log_path, attempt.exit_status) == ("scripted", str(seen[0].log), 1)
    assert (attempt.outcome, attempt.reason) == (BuildState.FAILURE, "builder failed with exit code 1")
    assert attempt.ended_at is not None


async def test_events_tell_of_starts_phases_ends_and_totals(stage: Stage) -> None:
    async def phases(request: BuildRequest) -> BuildOutcome:
        assert request.on_phase is not None
        request.on_phase("checkPhase")
        return WRONG_HASH

    events: Broadcast[ReviewEvent] = Broadcast()
    builder = ScriptedBuilder(stage.nix, {"tool": [phases]}, slots=1)
    scheduler = scripted_scheduler(stage.store, stage.nix, [builder], stage.folder, events=events)
    with events.listening() as heard:
        await scheduler.build([Wanted(drv_path("top"))])
        events.close()
        told = [attrs.evolve(event, seconds=0) if isinstance(event, BuildFinished) else event async for event in heard]
    lib, tool = drv_path("lib"), drv_path("tool")
    assert told == [
        BuildsPlanned(4),
        BuildStarted(lib, "lib"),
        BuildFinished(lib, BuildState.SUCCESS, 0),
        BuildStarted(tool, "tool"),
        BuildPhase(tool, "checkPhase"),
        BuildFinished(tool, BuildState.FAILURE, 0),
        BuildsPlanned(2),
    ]


async def test_what_failed_before_is_not_counted_as_planned(stage: Stage) -> None:
    await stage.build("tool", script={"tool": [WRONG_HASH]})
    events: Broadcast[ReviewEvent] = Broadcast()
    scheduler = scripted_scheduler(
        stage.store, stage.nix, [ScriptedBuilder(stage.nix, {}, slots=1)], stage.folder, events=events
    )
    stage.nix.derivation("other")
    await stage.nix.evaluated(stage.store)
    with events.listening() as heard:
        await scheduler.build([Wanted(drv_path("tool")), Wanted(drv_path("other"))])
        events.close()
        planned = [event.total async for event in heard if isinstance(event, BuildsPlanned)]
    assert planned == [1]


async def test_a_derivation_that_vanished_is_named(stage: Stage) -> None:
    stage.nix.vanished = {"app"}
    with pytest.raises(InfrastructureFault, match=r"app\.drv: 1 derivation"):
        await stage.build("app")


async def test_a_derivation_that_nobody_evaluated_is_named(stage: Stage) -> None:
    stage.nix.derivation("unheard")
    with pytest.raises(InfrastructureFault, match=r"unheard\.drv: this derivation is to be built"):
        await stage.build("unheard")


async def test_nothing_wanted_is_done_at_once(stage: Stage) -> None:
    builder = await stage.build()
    assert not builder.attempts


async def test_looking_records_what_needs_no_build_and_leaves_the_rest_alone(stage: Stage) -> None:
    stage.nix.valid = {"lib", "tool"}
    stage.nix.fetchable = {"other"}
    stage.nix.vanished = {"app"}
    scheduler = scripted_scheduler(stage.store, stage.nix, [], stage.folder)
    await scheduler.look([drv_path(name) for name in ("tool", "other", "app", "top", "tool")])
    await scheduler.look([])
    assert await stage.states("tool", "other", "app", "top", "lib") == [
        BuildState.SUCCESS,
        BuildState.SUCCESS,
        None,
        None,
        None,
    ]
