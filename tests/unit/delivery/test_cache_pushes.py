"""The loop of one cache: what it pushes, and what becomes of what it cannot push."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from tests.unit.delivery.conftest import Bench

from ekaci_core.api import InfrastructureFault, PushFailed, StorePath, UsageFault
from ekaci_core.delivery.calling import MOST_CALLS
from ekaci_core.delivery.patience import BATCH
from ekaci_core.store.push import PushState
from ekaci_core.testing.facts import drv
from ekaci_core.testing.scripted_cache import ScriptedCache, store_path
from ekaci_core.testing.store_forges import HERE

pytestmark = pytest.mark.anyio

DONE, PRESENT, FAILED, PENDING = PushState.DONE, PushState.PRESENT, PushState.FAILED, PushState.PENDING
AWAY = InfrastructureFault("it does not answer", where="cache one")
REFUSED = PushFailed("forbidden")


async def test_what_is_wanted_is_pushed_once(bench: Bench) -> None:
    paths = await bench.want("a", "b")
    cache = ScriptedCache()
    loop = bench.loop(cache)
    assert await loop.push_due() == 0.0
    assert await bench.states() == {"a": DONE, "b": DONE}
    assert await loop.push_due() is None
    assert cache.pushes == [tuple(sorted(paths))]
    assert [each.sent_bytes for each in await bench.store.pushes()] == [100, 100]


async def test_what_the_cache_has_is_not_pushed(bench: Bench) -> None:
    a, b = await bench.want("a", "b")
    cache = ScriptedCache(has={a})
    await bench.loop(cache).push_due()
    assert await bench.states() == {"a": PRESENT, "b": DONE}
    assert (cache.asked, cache.pushes) == ([frozenset({a, b})], [(b,)])


async def test_references_go_first_also_when_they_were_wanted_last(bench: Bench) -> None:
    await bench.want("top", "middle", "low", references={"top": ("middle",), "middle": ("low",)})
    cache = ScriptedCache()
    await bench.loop(cache).push_due()
    assert [path.name for path in cache.pushes[0]] == ["low", "middle", "top"]


async def test_a_batch_waits_for_the_one_that_it_refers_to(bench: Bench) -> None:
    names = [f"n{at:04}" for at in range(BATCH + 40)]
    await bench.want(*names, references={name: (names[at - 1],) for at, name in enumerate(names) if at})
    cache = ScriptedCache()

    async def slowly(paths: Sequence[StorePath]) -> None:
        refers = {each for path in paths for each in bench.paths.references[path]} - set(paths)
        assert refers <= cache.has
        for _ in range(50):
            await anyio.lowlevel.checkpoint()

    cache.during = slowly
    await bench.loop(cache, concurrent=4).push_due()
    assert set((await bench.states()).values()) == {DONE}
    assert [len(each) for each in cache.pushes] == [BATCH, 40]


async def test_so_many_are_pushed_at_once_as_is_configured(bench: Bench) -> None:
    await bench.want(*(f"n{at:04}" for at in range(5 * BATCH)))
    running, most, three = 0, 0, anyio.Event()

    async def counted(paths: Sequence[StorePath]) -> None:
        nonlocal running, most
        del paths
        running += 1
        most = max(most, running)
        if running == 3:
            three.set()
        await three.wait()
        running -= 1

    with anyio.fail_after(20):
        await bench.loop(ScriptedCache(during=counted), concurrent=3).push_due()
    assert most == 3
    assert set((await bench.states()).values()) == {DONE}


async def test_one_bad_path_does_not_hold_others(bench: Bench) -> None:
    paths = await bench.want(*(f"n{at:03}" for at in range(100)))
    cache = ScriptedCache(refused={paths[37]: REFUSED}, as_a_whole=True)
    await bench.loop(cache).push_due()
    states = await bench.states()
    assert [name for name, state in states.items() if state is not DONE] == ["n037"]
    assert states["n037"] is FAILED
    assert (await bench.reasons())["n037"] == "forbidden"
    assert len(cache.pushes) <= MOST_CALLS


async def test_a_cache_that_refuses_all_is_not_asked_without_end(bench: Bench) -> None:
    paths = await bench.want(*(f"n{at:03}" for at in range(100)))
    cache = ScriptedCache(refused=dict.fromkeys(paths, REFUSED), as_a_whole=True)
    await bench.loop(cache).push_due()
    assert len(cache.pushes) <= MOST_CALLS
    states = await bench.states()
    assert set(states.values()) == {FAILED, PENDING}
    alone = {push[0].name for push in cache.pushes if len(push) == 1}
    assert {name for name, state in states.items() if state is FAILED} == alone, "each was tried by itself"


async def test_what_refers_to_what_was_refused_is_not_pushed(bench: Bench) -> None:
    low, _, _ = await bench.want("low", "top", "other", references={"top": ("low",)})
    loop = bench.loop(ScriptedCache(refused={low: REFUSED}))
    while await loop.push_due() == 0.0:
        pass
    assert await bench.states() == {"low": FAILED, "top": DONE, "other": DONE}, "the cache took it in the same push"
    await bench.want("late", references={"late": ("low",)})
    while await loop.push_due() == 0.0:
        pass
    assert (await bench.states())["late"] is FAILED
    assert (await bench.reasons())["late"] == f"it refers to {low}, which could not be pushed"


async def test_what_may_pass_is_tried_again_after_a_while(bench: Bench) -> None:
    (path,) = await bench.want("a")
    cache = ScriptedCache(refused={path: PushFailed("busy", transient=True)})
    loop = bench.loop(cache)
    await loop.push_due()
    assert await bench.states() == {"a": PENDING}
    assert await loop.push_due() == 60.0
    cache.refused.clear()
    bench.clock.at += 60.0
    await loop.push_due()
    assert await bench.states() == {"a": DONE}
    [row] = await bench.store.pushes()
    assert row.attempts == 2


async def test_ten_attempts_are_enough(bench: Bench) -> None:
    good, bad = await bench.want("good", "bad")
    cache = ScriptedCache(refused={bad: PushFailed("busy", transient=True)})
    loop = bench.loop(cache)
    for at in range(10):
        assert (await bench.states())["bad"] is PENDING
        await bench.want(f"other{at}")  # the cache works, so that it is not left alone
        await loop.push_due()
        row = (await bench.store.known_pushes("one", [bad]))[bad]
        bench.clock.at = max(bench.clock.at, row.not_before)
    assert (await bench.states())["bad"] is FAILED
    assert (await bench.reasons())["bad"] == "busy (given up after 10 attempts)"
    assert sum(bad in each for each in cache.pushes) == 10
    assert good in cache.has


async def test_a_call_ends_in_its_time(bench: Bench) -> None:
    await bench.want("a")
    bench.seconds = 0.05
    ended = anyio.Event()

    async def hang(paths: Sequence[StorePath]) -> None:
        del paths
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    await bench.loop(ScriptedCache(during=hang)).push_due()
    assert ended.is_set()
    assert await bench.states() == {"a": PENDING}
    assert (await bench.reasons())["a"] == "Hook execution timed out after 0.05 seconds"
    assert [each.event for each in await bench.store.audit_records()] == [
        "hook_execution_timeout",
        "hook_execution_start",
    ]


async def test_a_cache_that_does_not_answer_is_left_alone_and_nothing_is_counted(bench: Bench) -> None:
    await bench.want("a", "b")
    cache = ScriptedCache(fault=AWAY)
    loop = bench.loop(cache)
    for _ in range(3):
        pause = await loop.push_due()
        assert pause is not None
        bench.clock.at += pause
    assert loop.is_open
    assert loop.fault == str(AWAY)
    assert await loop.push_due() == 25.0
    assert len(cache.asked) == 3
    bench.clock.at += 25.0
    await loop.push_due()
    assert [len(each) for each in cache.asked] == [2, 2, 2, 1], "a probe asks for one path"
    assert await loop.push_due() == 60.0
    cache.fault = None
    bench.clock.at += 60.0
    await loop.push_due()
    await loop.push_due()
    assert await bench.states() == {"a": DONE, "b": DONE}
    assert (loop.fault, loop.is_open) == ("", False)
    assert {each.attempts for each in await bench.store.pushes()} == {1}


async def test_a_cache_that_cannot_say_what_it_lacks_is_left_alone_as_well(bench: Bench) -> None:
    cache = ScriptedCache(fault=AWAY, silent=True)
    loop = bench.loop(cache)
    for name in "abc":
        assert not loop.is_open
        await bench.want(name)
        await loop.push_due()
    assert loop.is_open
    await bench.want("d")
    assert await loop.push_due() == 30.0
    assert len(cache.pushes) == 3
    bench.clock.at += 30.0
    await loop.push_due()
    assert len(cache.pushes) == 4
    assert await loop.push_due() == 60.0


async def test_a_cache_that_cannot_work_waits_for_longest(bench: Bench) -> None:
    await bench.want("a")
    loop = bench.loop(ScriptedCache(fault=UsageFault("no such bucket")))
    await loop.push_due()
    assert await loop.push_due() == 600.0
    assert await bench.states() == {"a": PENDING}


async def test_what_was_collected_fails(bench: Bench) -> None:
    a, b = await bench.want("a", "b")
    del bench.paths.references[a]
    cache = ScriptedCache()
    await bench.loop(cache).push_due()
    assert await bench.states() == {"a": FAILED, "b": DONE}
    assert (await bench.reasons())["a"] == "it is not in the store of this machine any more"
    assert cache.pushes == [(b,)]


async def test_a_loop_takes_up_what_the_one_before_left(bench: Bench) -> None:
    (path,) = await bench.want("a")
    [row] = await bench.store.pushes()
    await bench.store.begin_pushes([row.id], now=1.0)
    cache = ScriptedCache()
    loop = bench.loop(cache)

    async def stop(paths: Sequence[StorePath]) -> None:
        del paths
        loop.stop()

    cache.during = stop
    with anyio.fail_after(10):
        await loop.run()
    assert cache.pushes == [(path,)]
    assert await bench.states() == {"a": DONE}


async def test_a_loop_that_is_to_stop_begins_nothing(bench: Bench) -> None:
    await bench.want(*(f"n{at:03}" for at in range(3 * BATCH)))
    cache = ScriptedCache()
    loop = bench.loop(cache, concurrent=1)

    async def stop(paths: Sequence[StorePath]) -> None:
        del paths
        loop.stop()

    cache.during = stop
    with anyio.fail_after(10):
        await loop.run()
    assert len(cache.pushes) == 1
    assert list((await bench.states()).values()).count(DONE) == BATCH
    assert list((await bench.states()).values()).count(PENDING) == 2 * BATCH


async def test_each_derivation_has_a_log_and_audit_records(bench: Bench) -> None:
    a, b = await bench.want("a", "b")
    await bench.loop(ScriptedCache(refused={b: REFUSED})).push_due()
    log = (bench.logs / drv("a").hash_part / "hook-push-one.log").read_text()
    assert f"push to one\n{a}: pushed (100 bytes)\ncopying {a}\n" in log
    assert b not in log
    assert f"{b}: failed: forbidden" in (bench.logs / drv("b").hash_part / "hook-push-one.log").read_text()
    records = {(each.event, each.derivation): each for each in await bench.store.audit_records()}
    assert records.keys() == {
        ("hook_execution_start", drv("a")),
        ("hook_execution_start", drv("b")),
        ("hook_execution_complete", drv("a")),
        ("hook_execution_error", drv("b")),
    }
    well, ill = records["hook_execution_complete", drv("a")], records["hook_execution_error", drv("b")]
    assert (well.subject, well.repository, well.outcome, well.detail) == (
        "cache:one",
        HERE,
        "1 path pushed, 0 there already",
        "100 bytes",
    )
    assert (ill.path, ill.outcome, ill.detail) == (b, "1 of 1 path failed", "forbidden")
    assert bench.told.events().count("hook_execution_start") == 2


async def test_no_audit_where_it_is_switched_off(bench: Bench) -> None:
    await bench.want("a")
    bench.audit = False
    await bench.loop(ScriptedCache()).push_due()
    assert await bench.states() == {"a": DONE}
    assert await bench.store.audit_records() == []
    assert "hook_execution_start" not in bench.told.events()


async def test_a_log_that_cannot_be_written_stops_no_push(bench: Bench) -> None:
    await bench.want("a")
    bench.logs.parent.mkdir(exist_ok=True)
    bench.logs.write_text("a file is in the way")
    await bench.loop(ScriptedCache()).push_due()
    assert await bench.states() == {"a": DONE}
    assert "push_not_logged" in bench.told.events()


async def test_logs_of_later_pushes_come_after_those_of_earlier_ones(bench: Bench) -> None:
    (path,) = await bench.want("a")
    cache = ScriptedCache(refused={path: PushFailed("busy", transient=True)})
    loop = bench.loop(cache)
    await loop.push_due()
    cache.refused.clear()
    bench.clock.at += 60.0
    await loop.push_due()
    log = (bench.logs / drv("a").hash_part / "hook-push-one.log").read_text()
    assert log.index("failed: busy") < log.index("pushed (100 bytes)")


async def test_a_name_leads_nowhere_else(bench: Bench) -> None:
    await bench.want("a", cache="../../x/y")
    await bench.loop(ScriptedCache(), "../../x/y").push_due()
    assert [each.name for each in (bench.logs / drv("a").hash_part).iterdir()] == ["hook-push-.._.._x_y.log"]


async def test_caches_do_not_know_each_other(bench: Bench) -> None:
    await bench.want("a")
    await bench.want("a", cache="two")
    two = ScriptedCache()
    await bench.loop(two, "two").push_due()
    assert await bench.states("two") == {"a": DONE}
    assert await bench.states("one") == {"a": PENDING}
    assert two.has == {store_path("a")}
