"""What a cache does against its contract is an outcome of its own push, or a fault that names it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs
import pytest

from ekaci_core.api import (
    AlreadyPresent,
    EkaciError,
    InfrastructureFault,
    Pushed,
    PushFailed,
    PushOutcome,
    PushRequest,
    StorePath,
    UsageFault,
)
from ekaci_core.registry.guarded_cache import GuardedCache

if TYPE_CHECKING:
    from tests.unit.registry.conftest import RecordingLog

A, B = (StorePath(f"/nix/store/{letter * 32}-p") for letter in "ab")
WHO = "the plugin"
REQUEST = PushRequest([A, B], lambda _: None)


@attrs.frozen
class ScriptedCache:
    """A cache whose every answer is ``answer``."""

    answer: Callable[[], Awaitable[Any]]

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        del paths
        return cast("frozenset[StorePath]", await self.answer())

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        del request
        return cast("Mapping[StorePath, PushOutcome]", await self.answer())


def cache(log: RecordingLog, answer: object) -> GuardedCache:
    async def answered() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return GuardedCache(ScriptedCache(answered), who=WHO, log=log)


async def test_answers_pass(log: RecordingLog) -> None:
    assert await cache(log, frozenset({A})).missing([A, B]) == {A}
    outcomes = {A: Pushed(3), B: AlreadyPresent()}
    assert await cache(log, outcomes).push(REQUEST) == outcomes
    assert log.entries == []


@pytest.mark.parametrize("fault", [UsageFault("no such bucket", where="s3://b"), InfrastructureFault("down")])
async def test_faults_of_the_contract_pass_where_it_is_asked(log: RecordingLog, fault: EkaciError) -> None:
    with pytest.raises(type(fault)) as raised:
        await cache(log, fault).missing([A])
    assert raised.value is fault
    outcomes = await cache(log, fault).push(REQUEST)
    failed = PushFailed(f"{WHO}: {fault}", transient=isinstance(fault, InfrastructureFault))
    assert outcomes == {A: failed, B: failed}
    assert log.entries == []


async def test_surprises_name_the_plugin(log: RecordingLog) -> None:
    with pytest.raises(InfrastructureFault, match="KeyError: 'x'") as raised:
        await cache(log, KeyError("x")).missing([A])
    assert raised.value.where == WHO
    failed = PushFailed(f"{WHO}: KeyError: 'x'", transient=True)
    assert await cache(log, KeyError("x")).push(REQUEST) == {A: failed, B: failed}
    assert len(log.warnings("plugin_failed")) == 2


@pytest.mark.parametrize("nonsense", [None, [A], {A}, frozenset({StorePath("/nix/store/" + "c" * 32 + "-p")})])
async def test_nonsense_is_not_taken_for_what_is_missing(log: RecordingLog, nonsense: object) -> None:
    with pytest.raises(InfrastructureFault, match="missing returned"):
        await cache(log, nonsense).missing([A, B])
    assert log.warnings("plugin_failed")


async def test_a_path_of_which_nothing_is_said_has_failed(log: RecordingLog) -> None:
    outcomes = await cache(log, {A: Pushed()}).push(REQUEST)
    assert outcomes == {A: Pushed(), B: PushFailed(f"{WHO}: push returned NoneType for a path, which is no outcome")}
    outcomes = await cache(log, {A: "pushed", B: Pushed(), "c": Pushed()}).push(REQUEST)
    assert outcomes.keys() == {A, B}
    assert isinstance(outcomes[A], PushFailed)
    failed = PushFailed(f"{WHO}: push returned list, which is no outcome")
    assert await cache(log, []).push(REQUEST) == {A: failed, B: failed}


async def test_a_cache_that_never_answers_has_failed(log: RecordingLog) -> None:
    hanging = GuardedCache(
        ScriptedCache(anyio.sleep_forever), who=WHO, log=log, missing_seconds=0.01, push_seconds=0.01
    )
    with pytest.raises(InfrastructureFault, match="no answer within"):
        await hanging.missing([A])
    outcomes = await hanging.push(REQUEST)
    failed = PushFailed(f"{WHO}: no answer within 0.01 seconds", transient=True)
    assert outcomes == {A: failed, B: failed}


async def test_cancellation_reaches_the_cache(log: RecordingLog) -> None:
    seen: list[str] = []

    async def answer() -> None:
        seen.append("started")
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("stopped")

    made = GuardedCache(ScriptedCache(answer), who=WHO, log=log)
    async with anyio.create_task_group() as group:
        group.start_soon(made.push, REQUEST)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert seen == ["started", "stopped"]
    assert log.entries == []
