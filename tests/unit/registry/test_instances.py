from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs
import pytest

from ekaci_core.api import (
    Clock,
    EvaluatorUnavailable,
    InfrastructureFault,
    InLocalStore,
    NixPrograms,
    PluginContext,
    System,
    UsageFault,
)
from ekaci_core.registry import Instances, Kind, PluginReport, PluginState, Registry
from ekaci_core.registry.admit import Admission

if TYPE_CHECKING:
    from tests.unit.registry.conftest import RecordingLog

WHO = "builder cloud (ekaci-cloud 1.0)"


@attrs.frozen
class Settings:
    word: str = "default"


@attrs.frozen
class Needy:
    word: str


@attrs.frozen
class IdleBuilder(InLocalStore):
    """A builder that is only opened and closed."""

    name: str = "cloud"
    systems: frozenset[System] = frozenset()
    features: frozenset[str] = frozenset()
    slots: int = 1


@attrs.frozen
class IdleEvaluator:
    """An evaluator that is only opened and closed."""

    identity: str


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


@pytest.fixture
def context(log: RecordingLog) -> PluginContext:
    return PluginContext(clock=cast("Clock", None), log=log, environment={}, nix=cast("NixPrograms", None))


def diary(*names: str, entries: list[str]) -> Registry:
    """Types that write down when they open and close."""

    def typed(name: str) -> ScriptedType:
        @asynccontextmanager
        async def opening(config: Settings, _context: PluginContext) -> AsyncIterator[Any]:
            entries.append(f"open {name} {config.word}")
            try:
                yield IdleEvaluator(name)
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
    needy = ScriptedType("cloud", always(IdleBuilder()), Needy)
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
        yield IdleBuilder()
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
            yield IdleBuilder()

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
        yield IdleBuilder()
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


@attrs.frozen
class FindingType(ScriptedType):
    """A builder type that finds what it is told to, or raises it."""

    found: Sequence[Any] | Exception = ()

    async def discover(self, context: PluginContext) -> Sequence[Any]:
        del context
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


async def test_builders_that_are_configured_elsewhere_are_found(context: PluginContext) -> None:
    finding = FindingType("cloud", always(IdleBuilder()), found=[Settings("one"), Settings("two")])
    plain = ScriptedType("plain", always(IdleBuilder()))
    async with Instances(registry_of((Kind.BUILDER, finding), (Kind.BUILDER, plain)), context) as instances:
        assert await instances.discovered("cloud") == (Settings("one"), Settings("two"))
        assert await instances.discovered("plain") == ()


@pytest.mark.parametrize("error", [UsageFault("bad line", where="machines:3"), ZeroDivisionError("x")])
async def test_what_cannot_be_found_is_told(context: PluginContext, error: Exception) -> None:
    finding = FindingType("cloud", always(IdleBuilder()), found=error)
    async with Instances(registry_of((Kind.BUILDER, finding)), context) as instances:
        with pytest.raises(UsageFault if isinstance(error, UsageFault) else InfrastructureFault):
            await instances.discovered("cloud")
