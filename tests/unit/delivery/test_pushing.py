"""All caches together: what is told of them, and what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest
from tests.unit.delivery.conftest import Bench

from ekaci_core.api import InfrastructureFault, StorePath
from ekaci_core.delivery import CacheReport, CacheRule, OpenCache, Pushing
from ekaci_core.delivery.pushing import EXPIRY_SECONDS, KEPT_SECONDS
from ekaci_core.store.push import PushState
from ekaci_core.testing.scripted_cache import ScriptedCache

pytestmark = pytest.mark.anyio

AWAY = InfrastructureFault("away")


def pushing(bench: Bench, **caches: ScriptedCache) -> Pushing:
    return Pushing([OpenCache(CacheRule(id=name), each) for name, each in caches.items()], bench.parts())


async def test_caches_are_reported_those_that_are_gone_included(bench: Bench) -> None:
    made = pushing(bench, well=ScriptedCache(), ill=ScriptedCache(fault=AWAY))
    await bench.want("a", "b", cache="well")
    await bench.want("a", cache="ill")
    await bench.want("a", cache="gone")
    for loop in made.loops:
        await loop.push_due()
    assert list(await made.report()) == [
        CacheReport("gone", "it is not configured", left_alone=True, counts={PushState.PENDING: 1}),
        CacheReport("ill", "away", left_alone=False, counts={PushState.PENDING: 1}),
        CacheReport("well", "", left_alone=False, counts={PushState.DONE: 2}),
    ]


async def test_what_was_being_pushed_waits_again_after_a_start(bench: Bench) -> None:
    await bench.want("a", "b")
    await bench.store.begin_pushes([(await bench.store.pushes())[0].id], now=1.0)
    await pushing(bench).resume()
    assert set((await bench.states()).values()) == {PushState.PENDING}
    assert "pushes_resumed" in bench.told.events()


async def test_what_waits_too_long_and_what_is_over_goes(bench: Bench) -> None:
    made = pushing(bench, one=ScriptedCache())
    (a,) = await bench.want("a")
    await made.loops[0].push_due()
    await bench.want("b", cache="gone")
    bench.clock.at += EXPIRY_SECONDS - 1
    (c,) = await bench.want("c")
    bench.paths.kept = [a, c]
    await made.clean()
    assert bench.paths.kept == [c], "what waits is kept"
    assert await bench.states("gone") == {"b": PushState.PENDING}
    bench.clock.at += 2
    await made.clean()
    assert await bench.states("gone") == {"b": PushState.FAILED}
    assert (await bench.reasons())["b"] == "the cache did not take it for a week"
    bench.clock.at += KEPT_SECONDS - EXPIRY_SECONDS + 1
    await bench.want("d")
    await made.clean()
    assert await bench.states() == {"c": PushState.FAILED, "d": PushState.PENDING}


async def test_a_cache_that_is_left_alone_is_tried_when_somebody_asks(bench: Bench) -> None:
    cache = ScriptedCache(fault=AWAY)
    made = pushing(bench, one=cache, two=ScriptedCache())
    (loop, _) = made.loops
    await bench.want("a")
    for _ in range(3):
        await loop.push_due()
    assert await loop.push_due() == 30.0
    cache.fault = None
    made.hurry("two")
    assert await loop.push_due() == 30.0
    made.hurry("one")
    await loop.push_due()
    assert await bench.states() == {"a": PushState.DONE}


async def test_what_is_being_pushed_may_end_and_nothing_begins_any_more(bench: Bench) -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    async def wait(paths: Sequence[StorePath]) -> None:
        del paths
        begun.set()
        await go_on.wait()

    cache = ScriptedCache(during=wait)
    made = pushing(bench, one=cache)
    await bench.want("a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.loops[0].run)
        await begun.wait()
        await bench.want("b")
        tasks.start_soon(made.drain, 60.0)
        await anyio.lowlevel.checkpoint()
        go_on.set()
    assert await bench.states() == {"a": PushState.DONE, "b": PushState.PENDING}


async def test_a_push_that_hangs_does_not_hold_the_end_for_ever(bench: Bench) -> None:
    begun = anyio.Event()

    async def hang(paths: Sequence[StorePath]) -> None:
        del paths
        begun.set()
        await anyio.sleep_forever()

    made = pushing(bench, one=ScriptedCache(during=hang))
    await bench.want("a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.loops[0].run)
        await begun.wait()
        await made.drain(0.01)
        tasks.cancel_scope.cancel()
    assert await bench.states() == {"a": PushState.PUSHING}
    await pushing(bench).resume()
    assert await bench.states() == {"a": PushState.PENDING}
