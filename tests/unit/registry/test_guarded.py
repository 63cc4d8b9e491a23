from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
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
    DerivationRecord,
    DrvPath,
    EvaluationRequest,
    InfrastructureFault,
    InLocalStore,
    NullAttribute,
    StorePath,
    System,
    TransientKind,
)
from ekaci_core.model.ids import AttrPath
from ekaci_core.registry.guarded import GRACE_SECONDS, GuardedBuilder, GuardedEvaluator

if TYPE_CHECKING:
    from tests.unit.registry.conftest import RecordingLog

LINUX = System("x86_64-linux")
RECORD = DerivationRecord(
    path=DrvPath("/nix/store/00000000000000000000000000000000-a.drv"), name="a", system=LINUX, inputs=(), outputs=()
)
WHO = "the plugin"
BATCH = [NullAttribute(AttrPath.of(["a"]))]


@attrs.frozen
class ScriptedBuilder(InLocalStore):
    """A builder whose every attempt, and every preparation, is ``attempt``."""

    attempt: Callable[[], Awaitable[Any]]
    name: str = "cloud"
    systems: frozenset[System] = frozenset({LINUX})
    features: frozenset[str] = frozenset({"kvm"})
    slots: int = 2

    async def prepare(self, request: BuildRequest) -> BuildInterrupted | None:
        del request
        return cast("BuildInterrupted | None", await self.attempt())

    async def build(self, request: BuildRequest) -> BuildOutcome:
        del request
        return cast("BuildOutcome", await self.attempt())


@attrs.frozen
class ScriptedEvaluator:
    """An evaluator whose every evaluation is ``evaluation``."""

    evaluation: Callable[[], AbstractAsyncContextManager[Any]]
    identity: str = "lua 1"

    def evaluate(self, request: EvaluationRequest) -> AbstractAsyncContextManager[Any]:
        del request
        return self.evaluation()


async def returning(value: object) -> Any:
    return value


async def raising(error: Exception) -> Any:
    raise error


@pytest.fixture
def request_to_build(tmp_path: Path) -> BuildRequest:
    return BuildRequest(derivation=RECORD, log=tmp_path / "build.log")


@pytest.fixture
def evaluation(tmp_path: Path) -> EvaluationRequest:
    return EvaluationRequest(root=tmp_path, file="default.nix", gc_roots=tmp_path)


def builder(log: RecordingLog, attempt: Callable[[], Awaitable[Any]], **said: Any) -> GuardedBuilder:
    return GuardedBuilder(ScriptedBuilder(attempt, **said), who=WHO, log=log)


def evaluator(log: RecordingLog, evaluating: Callable[[], AbstractAsyncContextManager[Any]]) -> GuardedEvaluator:
    return GuardedEvaluator(ScriptedEvaluator(evaluating), who=WHO, log=log)


def test_what_a_builder_says_of_itself_passes(log: RecordingLog) -> None:
    said = builder(log, lambda: returning(Built()))
    assert (said.name, said.slots) == ("cloud", 2)
    assert said.systems == frozenset({LINUX})
    assert said.features == frozenset({"kvm"})


def test_a_builder_with_impossible_slots_is_refused(log: RecordingLog) -> None:
    with pytest.raises(InfrastructureFault, match="ValueError"):
        builder(log, lambda: returning(Built()), slots="many")


@pytest.mark.parametrize("outcome", [Built(), BuildFailed("exit 1", 1), BuildInterrupted(BuildState.TIMEOUT, "slow")])
async def test_outcomes_pass(log: RecordingLog, request_to_build: BuildRequest, outcome: BuildOutcome) -> None:
    assert await builder(log, lambda: returning(outcome)).build(request_to_build) is outcome
    assert log.entries == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("by\nzero"), f"{WHO}: ZeroDivisionError: by zero"),
        (KeyError(), f"{WHO}: KeyError"),
        (ExceptionGroup("many", [OSError("first"), OSError("second")]), f"{WHO}: OSError: first"),
        (InfrastructureFault("disk full", where="/nix"), f"{WHO}: /nix: disk full"),
    ],
)
async def test_what_a_builder_raises_interrupts_one_build(
    log: RecordingLog, request_to_build: BuildRequest, error: Exception, reason: str
) -> None:
    outcome = await builder(log, lambda: raising(error)).build(request_to_build)
    assert outcome == BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True)


async def test_a_builder_that_returns_nonsense_is_an_interruption(
    log: RecordingLog, request_to_build: BuildRequest
) -> None:
    outcome = await builder(log, lambda: returning(None)).build(request_to_build)
    assert outcome == BuildInterrupted(
        BuildState.PROCESS_DEATH, f"{WHO}: returned NoneType, which is no outcome", infrastructure=True
    )
    assert log.warnings("plugin_failed") == [{"who": WHO, "error": "build returned None"}]


async def test_what_preparing_comes_to_passes(log: RecordingLog, request_to_build: BuildRequest) -> None:
    lost = BuildInterrupted(BuildState.PROCESS_DEATH, "connection refused", transient=TransientKind.SSH)
    assert await builder(log, lambda: returning(lost)).prepare(request_to_build) is lost
    assert await builder(log, lambda: returning(None)).prepare(request_to_build) is None
    assert log.entries == []


async def test_a_builder_that_fails_to_prepare_is_an_interruption(
    log: RecordingLog, request_to_build: BuildRequest
) -> None:
    for wrong, reason in ((Built(), "returned Built, which is no interruption"), (KeyError("x"), "KeyError: 'x'")):
        made = builder(log, lambda: raising(wrong) if isinstance(wrong, Exception) else returning(wrong))  # noqa: B023
        outcome = await made.prepare(request_to_build)
        assert outcome == BuildInterrupted(BuildState.PROCESS_DEATH, f"{WHO}: {reason}", infrastructure=True)


def test_a_builder_that_cannot_say_what_it_has_has_nothing(log: RecordingLog) -> None:
    class Forgetful(ScriptedBuilder):
        def present(self, paths: Collection[StorePath]) -> int:
            raise ZeroDivisionError(len(paths))

    guarded_one = GuardedBuilder(Forgetful(lambda: returning(Built())), who=WHO, log=log)
    assert guarded_one.present([StorePath("/nix/store/00000000000000000000000000000000-a")]) == 0
    assert builder(log, lambda: returning(Built())).present([]) == 0
    assert log.warnings("plugin_failed")


async def test_a_builder_that_never_answers_is_an_interruption(
    log: RecordingLog, request_to_build: BuildRequest
) -> None:
    # So much less than nothing that with the grace the deadline is just after now.
    request = attrs.evolve(request_to_build, max_duration_seconds=0.01 - GRACE_SECONDS)
    outcome = await builder(log, anyio.sleep_forever).build(request)
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure
    assert "no answer within" in outcome.reason


async def test_cancellation_reaches_the_builder(log: RecordingLog, request_to_build: BuildRequest) -> None:
    seen: list[str] = []

    async def attempt() -> None:
        seen.append("started")
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("stopped")

    async with anyio.create_task_group() as group:
        group.start_soon(builder(log, attempt).build, request_to_build)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert seen == ["started", "stopped"]
    assert log.entries == []


def batches_then(error: Exception | None) -> Callable[[], AbstractAsyncContextManager[Any]]:
    """An evaluation of one batch, which raises after it, from within a task group of its own."""

    async def batches() -> AsyncIterator[Any]:
        yield BATCH
        if error is not None:
            raise error

    @asynccontextmanager
    async def evaluating() -> AsyncIterator[Any]:
        async with anyio.create_task_group():
            yield batches()

    return evaluating


async def drain(evaluating: AbstractAsyncContextManager[AsyncIterator[Any]]) -> list[Any]:
    async with evaluating as batches:
        return [batch async for batch in batches]


async def test_batches_and_identity_pass(log: RecordingLog, evaluation: EvaluationRequest) -> None:
    lua = evaluator(log, batches_then(None))
    assert lua.identity == "lua 1"
    assert await drain(lua.evaluate(evaluation)) == [BATCH]
    assert log.entries == []


async def test_what_an_evaluator_raises_while_it_runs_names_it(
    log: RecordingLog, evaluation: EvaluationRequest
) -> None:
    with pytest.raises(InfrastructureFault) as caught:
        await drain(evaluator(log, batches_then(ValueError("bad line"))).evaluate(evaluation))
    assert caught.value.where == WHO
    assert caught.value.what == "failed in a way its contract does not allow: ValueError: bad line"
    assert log.warnings("plugin_failed") == [{"who": WHO, "error": "ValueError: bad line"}]


async def test_what_its_own_tasks_raise_names_it_too(log: RecordingLog, evaluation: EvaluationRequest) -> None:
    @asynccontextmanager
    async def evaluating() -> AsyncIterator[Any]:
        async def worker() -> None:
            raise OSError("broken pipe")

        async def batches() -> AsyncIterator[Any]:
            await anyio.sleep_forever()
            yield BATCH

        async with anyio.create_task_group() as group:
            group.start_soon(worker)
            yield batches()

    with pytest.raises(InfrastructureFault, match="OSError: broken pipe"):
        await drain(evaluator(log, evaluating).evaluate(evaluation))


async def test_faults_of_the_contract_pass_as_they_came(log: RecordingLog, evaluation: EvaluationRequest) -> None:
    fault = InfrastructureFault("no space left", where="/nix/store")
    with pytest.raises(InfrastructureFault) as caught:
        await drain(evaluator(log, batches_then(fault)).evaluate(evaluation))
    assert caught.value is fault
    assert log.entries == []


async def test_the_callers_error_passes_through_the_evaluators_task_group(
    log: RecordingLog, evaluation: EvaluationRequest
) -> None:
    mistake = ValueError("the caller's own")
    with pytest.raises(ValueError, match="the caller's own") as caught:
        async with evaluator(log, batches_then(None)).evaluate(evaluation):
            raise mistake
    assert caught.value is mistake
    assert log.entries == []


async def test_an_evaluation_that_cannot_begin_names_the_evaluator(
    log: RecordingLog, evaluation: EvaluationRequest
) -> None:
    def evaluating() -> AbstractAsyncContextManager[Any]:
        raise OSError("no such socket")

    with pytest.raises(InfrastructureFault, match="OSError: no such socket"):
        await drain(evaluator(log, evaluating).evaluate(evaluation))


def test_slots_are_what_the_builder_says_now(log: RecordingLog) -> None:
    said: list[object] = [2, 0, -1, "many", 3]

    class Moody(InLocalStore):
        name = "moody"
        systems = frozenset({LINUX})
        features: frozenset[str] = frozenset()

        @property
        def slots(self) -> int:
            return cast("int", said.pop(0))

        async def build(self, request: BuildRequest) -> BuildOutcome:
            raise NotImplementedError(request)

    made = GuardedBuilder(Moody(), who=WHO, log=log)
    assert [made.slots for _ in range(4)] == [0, 0, 0, 3]
    assert len(log.warnings("plugin_failed")) == 1
