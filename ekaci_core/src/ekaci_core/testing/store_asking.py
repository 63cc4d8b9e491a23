"""The part of a store's contract that answers questions about single derivations and takes cancellations."""

from __future__ import annotations

import pytest

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import DrvPath
from ekaci_core.store.contract import BuildChange, Store, UnknownDerivation
from ekaci_core.testing.facts import LINUX, drv, evaluated, record

_A_TREE = (record("leaf"), record("mid", "leaf"), record("other", "leaf"), record("top", "mid", "leaf"))


async def _recorded(store: Store, *changes: tuple[str, BuildState, float, str]) -> None:
    await store.record_builds([BuildChange(Build(drv(name), state), at, cause) for name, state, at, cause in changes])


class AskingConformance:
    """What every store answers."""

    async def test_derivations_are_stored_without_an_evaluation(self, store: Store) -> None:
        await store.add_derivations(_A_TREE[:2])
        await store.add_derivations(_A_TREE)
        assert await store.known_derivations([each.path for each in _A_TREE]) == {each.path for each in _A_TREE}
        assert not await store.evaluations()
        number = (await store.derivation_ids([drv("top")]))[drv("top")]
        assert (await store.derivations([number]))[number].inputs == (drv("leaf"), drv("mid"))

    async def test_a_derivation_is_not_stored_before_what_it_needs(self, store: Store) -> None:
        with pytest.raises(UnknownDerivation):
            await store.add_derivations([record("leaf"), record("top", "mid")])
        assert not await store.known_derivations([drv("leaf"), drv("top")])

    async def test_a_hash_finds_its_derivation_in_every_store_directory(self, store: Store) -> None:
        here, there = drv("leaf"), DrvPath(f"/else/where/{drv('leaf').base_name}")
        await store.add_derivations([record("leaf"), record("other"), record("zzz")])
        assert await store.derivations_with_hash(here.hash_part) == {here}
        assert await store.derivations_with_hash("0" * 32) == frozenset()
        await store.add_derivations([DerivationRecord(there, "leaf", LINUX, (), ())])
        assert await store.derivations_with_hash(here.hash_part) == {here, there}

    async def test_dependents_are_told_with_the_shortest_way(self, store: Store) -> None:
        await evaluated(store, _A_TREE)
        ids = await store.derivation_ids([each.path for each in _A_TREE])
        found = await store.dependents(ids[drv("leaf")])
        assert found == {ids[drv("mid")]: 1, ids[drv("other")]: 1, ids[drv("top")]: 1}
        assert list(found) == sorted(found)
        assert await store.dependents(ids[drv("mid")]) == {ids[drv("top")]: 1}
        assert await store.dependents(ids[drv("top")]) == {}
        await store.add_derivations([record("far", "top")])
        (far,) = (await store.derivation_ids([drv("far")])).values()
        assert (await store.dependents(ids[drv("mid")]))[far] == 2

    async def test_unfinished_builds_are_those_in_no_terminal_state(self, store: Store) -> None:
        states = list(BuildState)
        await store.add_derivations([record(f"in-{state.label}") for state in states])
        await _recorded(store, *((f"in-{state.label}", state, 1.0, "so") for state in states))
        found = await store.unfinished_builds()
        assert {each.state for each in found.values()} == {state for state in states if not state.is_terminal}
        assert list(found) == sorted(found)
        assert dict(await store.derivation_ids([each.drv for each in found.values()])) == {
            each.drv: number for number, each in found.items()
        }

    async def test_an_unfinished_build_has_its_blockers(self, store: Store) -> None:
        await store.add_derivations(_A_TREE)
        blocked = Build(drv("top"), BuildState.BLOCKED, 1, frozenset({drv("mid"), drv("leaf")}))
        await store.record_builds([BuildChange(blocked, 5.0, "because of mid")])
        assert list((await store.unfinished_builds()).values()) == [blocked]

    async def test_the_last_change_has_its_time_and_cause(self, store: Store) -> None:
        await store.add_derivations(_A_TREE)
        await _recorded(
            store,
            ("leaf", BuildState.QUEUED, 1.0, "wanted"),
            ("mid", BuildState.QUEUED, 2.0, "wanted"),
            ("leaf", BuildState.CANCELLED, 3.0, "on request"),
        )
        found = await store.last_changes([drv("leaf"), drv("mid"), drv("top"), drv("unknown")])
        assert {path: (each.build.state, each.at, each.cause) for path, each in found.items()} == {
            drv("leaf"): (BuildState.CANCELLED, 3.0, "on request"),
            drv("mid"): (BuildState.QUEUED, 2.0, "wanted"),
        }

    async def test_attempts_are_told_in_order(self, store: Store) -> None:
        await store.add_derivations(_A_TREE)
        first = await store.begin_attempt(drv("leaf"), builder="a", log_path="/log", now=1.0)
        other = await store.begin_attempt(drv("mid"), builder="a", log_path=None, now=1.5)
        await store.end_attempt(first, now=2.0, exit_status=3, outcome=BuildState.FAILED_RETRY, reason="no")
        second = await store.begin_attempt(drv("leaf"), builder="b", log_path=None, now=3.0)
        found = await store.attempts([drv("leaf"), drv("mid"), drv("top"), drv("unknown")])
        assert {path: [each.id for each in some] for path, some in found.items()} == {
            drv("leaf"): [first, second],
            drv("mid"): [other],
        }
        assert (found[drv("leaf")][0].outcome, found[drv("leaf")][0].reason) == (BuildState.FAILED_RETRY, "no")
        assert (await store.last_attempts([drv("leaf")]))[drv("leaf")] == found[drv("leaf")][1]

    async def test_an_open_attempt_is_one_without_an_end_that_somebody_has_claimed(self, store: Store) -> None:
        await store.add_derivations(_A_TREE)
        for name in ("leaf", "mid", "other"):
            await store.begin_attempt(drv(name), builder="a", log_path=None, now=1.0)
        ended = await store.begin_attempt(drv("top"), builder="a", log_path=None, now=1.0)
        await store.end_attempt(ended, now=2.0, exit_status=0, outcome=BuildState.SUCCESS, reason="")
        for name in ("leaf", "mid", "top"):
            await store.claim(drv(name), "worker", now=1.0, until=9.0)
        newest = await store.begin_attempt(drv("leaf"), builder="b", log_path=None, now=3.0)
        found = await store.open_attempts()
        assert {each.drv for each in found} == {drv("leaf"), drv("mid")}
        assert {each.id for each in found if each.drv == drv("leaf")} == {newest}

    async def test_cancellations_are_told_until_they_are_ended(self, store: Store) -> None:
        await store.add_derivations(_A_TREE)
        first = await store.ask_cancellation(drv("leaf"), now=10.0)
        second = await store.ask_cancellation(drv("mid"), now=20.0)
        assert [(each.id, each.drv, each.at) for each in await store.cancellations()] == [
            (first, drv("leaf"), 10.0),
            (second, drv("mid"), 20.0),
        ]
        assert [each.id for each in await store.cancellations(after=first)] == [second]
        await store.end_cancellation(second)
        assert [each.id for each in await store.cancellations()] == [first]
        third = await store.ask_cancellation(drv("mid"), now=30.0)
        assert third > second, "a number is never used twice"
        await store.end_cancellations(before=30.0)
        assert [each.id for each in await store.cancellations()] == [third]

    async def test_a_cancellation_is_of_a_stored_derivation(self, store: Store) -> None:
        with pytest.raises(UnknownDerivation):
            await store.ask_cancellation(drv("unknown"), now=1.0)
