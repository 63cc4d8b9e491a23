"""What every store does with builds that begin and end together; part of the conformance of stores."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ekaci_core.model.build import Build, BuildState
from ekaci_core.store.contract import (
    AttemptEnd,
    AttemptId,
    BuildBegun,
    BuildChange,
    BuildChanged,
    BuildHeld,
    BuildStart,
    BuildWrites,
    StartAnswer,
    Store,
    UnknownDerivation,
)
from ekaci_core.testing.facts import drv, evaluated, record

BUILDABLE, BUILDING = BuildState.BUILDABLE, BuildState.BUILDING


async def _start(store: Store, *names: str, worker: str = "me", now: float = 0) -> Sequence[StartAnswer]:
    ids = await store.derivation_ids([drv(name) for name in names])
    starts = [BuildStart(ids[drv(name)], Build(drv(name), BUILDABLE), "local", f"/log/{name}") for name in names]
    return await store.write_builds(BuildWrites(starts=starts), worker, now=now, until=now + 10)


async def _ready(store: Store, *names: str) -> None:
    await evaluated(store, [record(name) for name in names])
    await store.record_builds([BuildChange(Build(drv(name), BUILDABLE), 0, "a test") for name in names])


class BuildBatchesConformance:
    """Builds that begin and end together."""

    async def test_what_begins_is_claimed_building_and_has_an_attempt(self, store: Store) -> None:
        await _ready(store, "a", "b")
        answers = await _start(store, "a", "b")
        attempts = await store.last_attempts([drv("a"), drv("b")])
        assert answers == [BuildBegun(attempts[drv("a")].id), BuildBegun(attempts[drv("b")].id)]
        assert attempts[drv("b")].log_path == "/log/b"
        assert {build.state for build in (await store.builds([drv("a"), drv("b")])).values()} == {BUILDING}
        assert await store.claims() == {drv("a"): "me", drv("b"): "me"}

    async def test_what_another_has_or_has_changed_does_not_begin(self, store: Store) -> None:
        await _ready(store, "a", "b", "c")
        assert await store.claim(drv("a"), "other", now=0, until=10) is None
        done = Build(drv("b"), BuildState.SUCCESS)
        await store.record_builds([BuildChange(done, 0, "a test")])
        held, changed, begun = await _start(store, "a", "b", "c", now=5)
        assert (held, changed) == (BuildHeld("other"), BuildChanged(done))
        assert isinstance(begun, BuildBegun)
        assert (await store.last_attempts([drv("a"), drv("b")])) == {}
        assert (await store.claims())[drv("b")] == "me"
        again = await _start(store, "a", now=10)  # the other's lease has ended
        assert isinstance(again[0], BuildBegun)

    async def test_what_becomes_ready_can_begin_in_the_same_breath(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("b", "a")])
        ids = await store.derivation_ids([drv("a"), drv("b")])
        await store.record_builds([BuildChange(Build(drv("a"), BUILDABLE), 0, "a test")])
        [begun] = await _start(store, "a")
        assert isinstance(begun, BuildBegun)
        ready = Build(drv("b"), BUILDABLE)
        writes = BuildWrites(
            ends=[AttemptEnd(begun.attempt, 3, 0, BuildState.SUCCESS, "", [("x86_64-linux a", 8.0), ("any a", 9.0)])],
            changes=[
                BuildChange(Build(drv("a"), BuildState.SUCCESS), 3, "built", ids[drv("a")]),
                BuildChange(ready, 3, "its inputs are there", ids[drv("b")]),
            ],
            releases=[ids[drv("a")]],
            starts=[BuildStart(ids[drv("b")], ready, "local", None)],
        )
        [next_one] = await store.write_builds(writes, "me", now=3, until=13)
        assert isinstance(next_one, BuildBegun)
        states = {path: build.state for path, build in (await store.builds([drv("a"), drv("b")])).items()}
        assert states == {drv("a"): BuildState.SUCCESS, drv("b"): BUILDING}
        assert await store.claims() == {drv("b"): "me"}
        ended = (await store.last_attempts([drv("a")]))[drv("a")]
        assert (ended.ended_at, ended.exit_status, ended.outcome) == (3, 0, BuildState.SUCCESS)
        assert await store.durations(["x86_64-linux a", "x86_64-linux b", "any a"]) == {
            "x86_64-linux a": 8.0,
            "any a": 9.0,
        }

    async def test_the_last_durations_count_most(self, store: Store) -> None:
        ends = [AttemptEnd(AttemptId(0), 0, 0, BuildState.SUCCESS, "", [("s", each)]) for each in (10.0, 20.0, 40.0)]
        for end in ends:
            await store.write_builds(BuildWrites(ends=[end]), "me", now=0, until=1)
        assert await store.durations(["s"]) == {"s": 27.5}

    async def test_all_of_a_batch_is_written_or_nothing(self, store: Store) -> None:
        await _ready(store, "a")
        writes = BuildWrites(
            changes=[
                BuildChange(Build(drv("a"), BUILDING), 1, "a test"),
                BuildChange(Build(drv("nowhere"), BUILDING), 1, "a test"),
            ]
        )
        with pytest.raises(UnknownDerivation):
            await store.write_builds(writes, "me", now=1, until=2)
        assert (await store.builds([drv("a")]))[drv("a")].state is BUILDABLE

    async def test_a_lease_from_before_the_clock_was_set_back_ends_too(self, store: Store) -> None:
        await store.add_derivations([record("a")])
        assert await store.claim(drv("a"), "one", now=1_000_000, until=1_000_060) is None
        assert await store.claim(drv("a"), "two", now=999_900, until=999_960) == "one", "it was set by little"
        assert await store.claim(drv("a"), "two", now=0, until=60) is None
        assert await store.claim(drv("a"), "one", now=1, until=61) == "two"

    async def test_claims_are_renewed_and_given_up_together(self, store: Store) -> None:
        await _ready(store, "a", "b", "c")
        await _start(store, "a", "b")
        await _start(store, "c", worker="other")
        await store.renew_claims("me", until=100)
        assert await store.claim(drv("a"), "third", now=50, until=60) == "me"
        assert await store.claim(drv("c"), "third", now=50, until=60) is None
        await store.release_claims("me")
        assert await store.claims() == {drv("c"): "third"}
