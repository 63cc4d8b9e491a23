from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs
import pytest

from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    BuildState,
    Built,
    Clock,
    DerivationRecord,
    DrvPath,
    EvaluationRequest,
    EvaluatorUnavailable,
    InfrastructureFault,
    NullAttribute,
    PluginContext,
    System,
    UsageFault,
)
from ekaci_core.model.ids import AttrPath
from ekaci_core.registry import Instances, Kind, PluginReport, PluginState, Registry
from ekaci_core.registry.admit import Admission

if TYPE_CHECKING:
    from tests.unit.registry.conftest import RecordingLog

LINUX = System("x86_64-linux")
RECORD = DerivationRecord(
    path=DrvPath("/nix/store/00000000000000000000000000000000-a.drv"), name="a", system=LINUX, inputs=(), outputs=()
)
WHO = "builder cloud (ekaci-cloud 1.0)"


@attrs.frozen
class Settings:
    word: str = "default"


@attrs.frozen
class Needy:
    word: str


@attrs.frozen
class ScriptedBuilder:
    """A builder whose every attempt is ``attempt``."""

    attempt: Callable[[BuildRequest], Awaitable[Any]]
    name: str = "cloud"
    systems: frozenset[System] = frozenset({LINUX})
    features: frozenset[str] = frozenset()
    slots: int = 2

    async def build(self, request: BuildRequest) -> BuildOutcome:
        return cast("BuildOutcome", await self.attempt(request))


@attrs.frozen
class ScriptedEvaluator:
    """An evaluator whose every evaluation is ``evaluation``."""

    evaluation: Callable[[], AbstractAsyncContextManager[Any]]
    identity: str = "lua 1"

    def evaluate(self, request: EvaluationRequest) -> AbstractAsyncContextManager[Any]:
        del request
        return self.evaluation()


@attrs.frozen
class ScriptedType:
    """A type whose ``open`` is ``opening``."""

    name: str
    opening: Callable[[Any, PluginContext], AbstractAsyncContextManager[Any]]
    config: type[Any] = Settings

    def open(self, config: Any, context: PluginContext) -> AbstractAsyncContextManager[Any]:
        return self.opening(config, context)


def registry_of(*types: tuple[Kind, ScriptedType]) -> Registry:
    return Registry(
        [
            Admission(PluginReport(each.name, f"ekaci-{each.name}", "1.0", PluginState.ACTIVE), ((kind, each),))
            for kind, each in types
        ]
    )


def always(instance: object) -> Callable[[Any, PluginContext], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def opening(_config: Any, _context: PluginContext) -> AsyncIterator[Any]:
        yield instance

    return opening


def builder_type(attempt: Callable[[BuildRequest], Awaitable[Any]], **said: Any) -> tuple[Kind, ScriptedType]:
    return Kind.BUILDER, ScriptedType("cloud", always(ScriptedBuilder(attempt, **said)))


def evaluator_type(evaluation: Callable[[], AbstractAsyncContextManager[Any]]) -> tuple[Kind, ScriptedType]:
    return Kind.EVALUATOR, ScriptedType("lua", always(ScriptedEvaluator(evaluation)))


@pytest.fixture
def context(log: RecordingLog) -> PluginContext:
    return PluginContext(clock=cast("Clock", None), log=log, environment={})


@pytest.fixture
def request_to_build(tmp_path: Path) -> BuildRequest:
    return BuildRequest(derivation=RECORD, log=tmp_path / "build.log")


@pytest.fixture
def evaluation(tmp_path: Path) -> EvaluationRequest:
    return EvaluationRequest(root=tmp_path, file="default.nix", gc_roots=tmp_path)


def diary(*names: str, entries: list[str]) -> Registry:
    """Types that write down when they open and close."""

    def typed(name: str) -> ScriptedType:
        @asynccontextmanager
        async def opening(config: Settings, _context: PluginContext) -> AsyncIterator[Any]:
            entries.append(f"open {name} {config.word}")
            try:
                yield ScriptedEvaluator(cast("Any", None), identity=name)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                entries.append(f"close {name}")

        return ScriptedType(name, opening)

    return registry_of(*((Kind.EVALUATOR, typed(name)) for name in names))


async def test_instances_close_in_reverse(context: PluginContext) -> None:
    entries: list[str] = []
    async with Instances(diary("one", "two", entries=entries), context) as instances:
        one = await instances.evaluator("one")
        await instances.evaluator("two", Settings("own"))
        assert one.identity == "one"
        assert entries == ["open one default", "open two own"]
    assert entries == ["open one default", "open two own", "close two", "close one"]


async def test_instances_close_in_reverse_when_cancelled(context: PluginContext) -> None:
    entries: list[str] = []
    with anyio.CancelScope() as scope:
        async with Instances(diary("one", "two", entries=entries), context) as instances:
            await instances.evaluator("one")
            await instances.evaluator("two")
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert entries[2:] == ["close two", "close one"]


async def test_the_callers_error_leaves_as_it_came(context: PluginContext) -> None:
    entries: list[str] = []
    mistake = UsageFault("wrong")

    async def use() -> None:
        async with Instances(diary("one", entries=entries), context) as instances:
            await instances.evaluator("one")
            raise mistake

    with pytest.raises(UsageFault) as caught:
        await use()
    assert caught.value is mistake
    assert entries[-1] == "close one"


async def test_what_open_raises_by_the_contract_passes(context: PluginContext, log: RecordingLog) -> None:
    @asynccontextmanager
    async def opening(_config: Any, _context: PluginContext) -> AsyncIterator[Any]:
        async with anyio.create_task_group():  # wraps what is raised inside it
            raise EvaluatorUnavailable("no lua on PATH", do="install lua")
        yield

    registry = registry_of((Kind.EVALUATOR, ScriptedType("lua", opening)))
    async with Instances(registry, context) as instances:
        with pytest.raises(EvaluatorUnavailable, match="no lua on PATH"):
            await instances.evaluator("lua")
    assert log.entries == []


async def test_what_open_raises_otherwise_names_the_plugin(context: PluginContext, log: RecordingLog) -> None:
    def opening(_config: Any, _context: PluginContext) -> AbstractAsyncContextManager[Any]:
        raise KeyError("endpoint")

    async with Instances(registry_of((Kind.BUILDER, ScriptedType("cloud", opening))), context) as instances:
        with pytest.raises(InfrastructureFault) as caught:
            await instances.builder("cloud")
    assert str(caught.value) == f"{WHO}: failed in a way its contract does not allow: KeyError: 'endpoint'"
    assert log.warnings("plugin_failed") == [{"who": WHO, "error": "KeyError: 'endpoint'"}]


async def test_an_open_that_returns_nonsense_names_the_plugin(context: PluginContext) -> None:
    nonsense = ScriptedType("cloud", lambda _config, _context: cast("Any", 5))
    async with Instances(registry_of((Kind.BUILDER, nonsense)), context) as instances:
        with pytest.raises(InfrastructureFault, match=r"builder cloud.*TypeError"):
            await instances.builder("cloud")


async def test_a_configuration_without_defaults_must_be_given(context: PluginContext) -> None:
    needy = ScriptedType("cloud", always(ScriptedBuilder(cast("Any", None))), Needy)
    async with Instances(registry_of((Kind.BUILDER, needy)), context) as instances:
        with pytest.raises(InfrastructureFault, match=r"builder cloud.*word"):
            await instances.builder("cloud")
        assert (await instances.builder("cloud", Needy("given"))).name == "cloud"


async def test_an_instance_that_does_not_open_in_time_is_given_up(context: PluginContext) -> None:
    closed = anyio.Event()

    @asynccontextmanager
    async def opening(_config: Any, _context: PluginContext) -> AsyncIterator[Any]:
        try:
            await anyio.sleep_forever()
            yield
        finally:
            closed.set()

    registry = registry_of((Kind.BUILDER, ScriptedType("cloud", opening)))
    async with Instances(registry, context, open_seconds=0.01) as instances:
        with pytest.raises(InfrastructureFault, match=r"builder cloud.*was not open after 0\.01 seconds"):
            await instances.builder("cloud")
    assert closed.is_set()


async def test_cancelling_the_caller_while_an_instance_opens_leaves_nothing(context: PluginContext) -> None:
    closed = anyio.Event()
    opening_now = anyio.Event()

    @asynccontextmanager
    async def opening(_config: Any, _context: PluginContext) -> AsyncIterator[Any]:
        opening_now.set()
        try:
            await anyio.sleep_forever()
            yield
        finally:
            closed.set()

    async with anyio.create_task_group() as group:

        async def use() -> None:
            async with Instances(registry_of((Kind.BUILDER, ScriptedType("cloud", opening))), context) as instances:
                await instances.builder("cloud")

        group.start_soon(use)
        await opening_now.wait()
        group.cancel_scope.cancel()
    assert closed.is_set()


async def test_an_instance_that_does_not_close_is_cancelled(context: PluginContext, log: RecordingLog) -> None:
    @asynccontextmanager
    async def opening(_config: Any, _context: PluginContext) -> AsyncIterator[Any]:
        yield ScriptedBuilder(cast("Any", None))
        await anyio.sleep_forever()

    registry = registry_of((Kind.BUILDER, ScriptedType("cloud", opening)))
    async with Instances(registry, context, close_seconds=0.01) as instances:
        await instances.builder("cloud")
    assert log.warnings("plugin_not_closed") == [{"who": WHO, "after_seconds": 0.01}]


async def test_an_instance_whose_own_tasks_fail_ends_alone(context: PluginContext, log: RecordingLog) -> None:
    explode = anyio.Event()

    @asynccontextmanager
    async def opening(_config: Any, _context: PluginContext) -> AsyncIterator[Any]:
        async def background() -> None:
            await explode.wait()
            raise OSError("connection lost")

        async with anyio.create_task_group() as group:
            group.start_soon(background)
            yield ScriptedBuilder(cast("Any", None))

    entries: list[str] = []
    registry = registry_of((Kind.BUILDER, ScriptedType("cloud", opening)))
    async with Instances(registry, context) as instances:
        await instances.builder("cloud")
        explode.set()
        await anyio.wait_all_tasks_blocked()
        entries.append("still here")
    assert entries == ["still here"]
    assert log.warnings("plugin_failed") == [{"who": WHO, "error": "OSError: connection lost"}]
    (ended,) = log.warnings("plugin_ended")
    assert ended["who"] == WHO


async def test_a_failing_close_is_logged_and_the_others_close(context: PluginContext, log: RecordingLog) -> None:
    @asynccontextmanager
    async def opening(_config: Any, _context: PluginContext) -> AsyncIterator[Any]:
        yield ScriptedBuilder(cast("Any", None))
        raise OSError("cannot flush")

    entries: list[str] = []
    admitted = diary("one", entries=entries)
    cloud = ScriptedType("cloud", opening)
    report = PluginReport("cloud", "ekaci-cloud", "1.0", PluginState.ACTIVE)
    one = admitted.evaluator_type("one")
    registry = Registry(
        [
            Admission(admitted.reports[0], ((Kind.EVALUATOR, one),)),
            Admission(report, ((Kind.BUILDER, cloud),)),
        ]
    )
    async with Instances(registry, context) as instances:
        await instances.evaluator("one")
        await instances.builder("cloud")
    assert entries[-1] == "close one"
    assert log.warnings("plugin_failed") == [{"who": WHO, "error": "OSError: cannot flush"}]


@pytest.mark.parametrize("outcome", [Built(), BuildFailed("exit 1", 1), BuildInterrupted(BuildState.TIMEOUT, "slow")])
async def test_outcomes_pass(context: PluginContext, request_to_build: BuildRequest, outcome: BuildOutcome) -> None:
    async def attempt(_request: BuildRequest) -> BuildOutcome:
        return outcome

    async with Instances(registry_of(builder_type(attempt)), context) as instances:
        builder = await instances.builder("cloud")
        assert (builder.name, builder.slots) == ("cloud", 2)
        assert builder.systems == frozenset({LINUX})
        assert builder.features == frozenset()
        assert await builder.build(request_to_build) is outcome


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("by zero"), f"{WHO}: ZeroDivisionError: by zero"),
        (ExceptionGroup("many", [OSError("first"), OSError("second")]), f"{WHO}: OSError: first"),
        (InfrastructureFault("disk full", where="/nix"), f"{WHO}: /nix: disk full"),
    ],
)
async def test_what_a_builder_raises_interrupts_one_build(
    context: PluginContext, request_to_build: BuildRequest, error: Exception, reason: str
) -> None:
    async def attempt(_request: BuildRequest) -> BuildOutcome:
        raise error

    async with Instances(registry_of(builder_type(attempt)), context) as instances:
        outcome = await (await instances.builder("cloud")).build(request_to_build)
    assert outcome == BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True)


async def test_a_builder_that_returns_nonsense_is_an_interruption(
    context: PluginContext, request_to_build: BuildRequest, log: RecordingLog
) -> None:
    async def attempt(_request: BuildRequest) -> None:
        return None

    async with Instances(registry_of(builder_type(attempt)), context) as instances:
        outcome = await (await instances.builder("cloud")).build(request_to_build)
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.reason == f"{WHO}: returned NoneType, which is no outcome"
    assert log.warnings("plugin_failed") == [{"who": WHO, "error": "build returned None"}]


async def test_a_builder_that_never_answers_is_an_interruption(
    context: PluginContext, request_to_build: BuildRequest
) -> None:
    async def attempt(_request: BuildRequest) -> None:
        await anyio.sleep_forever()

    async with Instances(registry_of(builder_type(attempt)), context) as instances:
        builder = await instances.builder("cloud")
        # Less than the grace that is added, so the deadline has passed when the attempt begins.
        outcome = await builder.build(attrs.evolve(request_to_build, max_duration_seconds=-119.9))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure
    assert "no answer within" in outcome.reason


async def test_cancellation_reaches_the_builder(context: PluginContext, request_to_build: BuildRequest) -> None:
    seen: list[str] = []

    async def attempt(_request: BuildRequest) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("stopped")

    async with Instances(registry_of(builder_type(attempt)), context) as instances:
        builder = await instances.builder("cloud")
        with anyio.move_on_after(0.01) as scope:
            await builder.build(request_to_build)
    assert scope.cancelled_caught
    assert seen == ["stopped"]


async def test_a_builder_with_impossible_slots_does_not_open(context: PluginContext) -> None:
    async def attempt(_request: BuildRequest) -> BuildOutcome:
        return Built()

    async with Instances(registry_of(builder_type(attempt, slots="many")), context) as instances:
        with pytest.raises(InfrastructureFault, match=r"builder cloud.*ValueError"):
            await instances.builder("cloud")


def batches_then(error: Exception | None) -> Callable[[], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def evaluating() -> AsyncIterator[Any]:
        async def batches() -> AsyncIterator[Any]:
            yield [NullAttribute(AttrPath.of(["a"]))]
            if error is not None:
                raise error

        async with anyio.create_task_group():
            yield batches()

    return evaluating


async def drain(evaluating: AbstractAsyncContextManager[AsyncIterator[Any]]) -> list[Any]:
    async with evaluating as batches:
        return [batch async for batch in batches]


async def test_batches_pass(context: PluginContext, evaluation: EvaluationRequest) -> None:
    async with Instances(registry_of(evaluator_type(batches_then(None))), context) as instances:
        evaluator = await instances.evaluator("lua")
        assert evaluator.identity == "lua 1"
        assert await drain(evaluator.evaluate(evaluation)) == [[NullAttribute(AttrPath.of(["a"]))]]


async def test_what_an_evaluator_raises_while_it_runs_names_it(
    context: PluginContext, evaluation: EvaluationRequest, log: RecordingLog
) -> None:
    async with Instances(registry_of(evaluator_type(batches_then(ValueError("bad line")))), context) as instances:
        evaluator = await instances.evaluator("lua")
        with pytest.raises(InfrastructureFault) as caught:
            await drain(evaluator.evaluate(evaluation))
    assert caught.value.where == "evaluator lua (ekaci-lua 1.0)"
    assert "ValueError: bad line" in caught.value.what
    assert len(log.warnings("plugin_failed")) == 1


async def test_faults_of_the_contract_pass_as_they_came(context: PluginContext, evaluation: EvaluationRequest) -> None:
    fault = InfrastructureFault("no space left", where="/nix/store")
    async with Instances(registry_of(evaluator_type(batches_then(fault))), context) as instances:
        evaluator = await instances.evaluator("lua")
        with pytest.raises(InfrastructureFault) as caught:
            await drain(evaluator.evaluate(evaluation))
    assert caught.value is fault


async def test_the_callers_error_passes_through_the_evaluators_task_group(
    context: PluginContext, evaluation: EvaluationRequest, log: RecordingLog
) -> None:
    mistake = ValueError("the caller's own")
    async with Instances(registry_of(evaluator_type(batches_then(None))), context) as instances:
        evaluator = await instances.evaluator("lua")
        with pytest.raises(ValueError, match="the caller's own") as caught:
            async with evaluator.evaluate(evaluation):
                raise mistake
    assert caught.value is mistake
    assert log.entries == []


async def test_an_evaluation_that_cannot_begin_names_the_evaluator(
    context: PluginContext, evaluation: EvaluationRequest
) -> None:
    def evaluating() -> AbstractAsyncContextManager[Any]:
        raise OSError("no such socket")

    async with Instances(registry_of(evaluator_type(evaluating)), context) as instances:
        evaluator = await instances.evaluator("lua")
        with pytest.raises(InfrastructureFault, match="OSError: no such socket"):
            async with evaluator.evaluate(evaluation):
                raise AssertionError
