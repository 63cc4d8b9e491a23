"""The contract of a store about the history of attempts; `StoreConformance` includes it."""

from __future__ import annotations

from ekaci_core.api import TransientKind
from ekaci_core.model.build import BuildState
from ekaci_core.store.contract import AttemptId, Store
from ekaci_core.testing.facts import drv, evaluated, record


class AttemptConformance:
    """What every store remembers of attempts."""

    async def test_attempts_are_told_in_order_with_their_kinds(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("b"), record("c")])
        ends = [(BuildState.PROCESS_DEATH, TransientKind.NETWORK), (BuildState.FAILED_RETRY, None), (None, None)]
        for at, (outcome, kind) in enumerate(ends):
            attempt = await store.begin_attempt(drv("a"), builder=f"b{at}", log_path=None, now=at)
            if outcome is not None:
                await store.end_attempt(attempt, now=at, exit_status=None, outcome=outcome, reason="r", kind=kind)
        other = await store.begin_attempt(drv("b"), builder="b", log_path=None, now=9)
        told = await store.attempts([drv("a"), drv("b"), drv("c"), drv("nowhere")])
        assert told.keys() == {drv("a"), drv("b")}
        assert [(each.outcome, each.kind) for each in told[drv("a")]] == ends
        assert [each.builder for each in told[drv("a")]] == ["b0", "b1", "b2"]
        assert [each.id for each in told[drv("b")]] == [other]
        assert (await store.last_attempts([drv("a")]))[drv("a")] == told[drv("a")][-1]

    async def test_flaky_is_what_failed_and_passed_later(self, store: Store) -> None:
        histories = {
            "flaky": [BuildState.FAILED_RETRY, BuildState.SUCCESS],
            "late": [BuildState.FAILURE, BuildState.PROCESS_DEATH, BuildState.SUCCESS],
            "failing": [BuildState.SUCCESS, BuildState.FAILED_RETRY, BuildState.FAILURE],
            "interrupted": [BuildState.TIMEOUT, BuildState.SUCCESS],
            "fine": [BuildState.SUCCESS],
        }
        await evaluated(store, [record(name) for name in [*histories, "untried"]])
        for name, outcomes in histories.items():
            for outcome in outcomes:
                attempt = await store.begin_attempt(drv(name), builder="b", log_path=None, now=0)
                await store.end_attempt(attempt, now=1, exit_status=None, outcome=outcome, reason="")
        every = [drv(name) for name in [*histories, "untried", "nowhere"]]
        assert await store.flaky(every) == {drv("flaky"), drv("late")}
        assert await store.flaky([drv("fine"), drv("late")]) == {drv("late")}
        assert await store.flaky([]) == frozenset()

    async def test_the_end_of_an_unknown_attempt_changes_nothing(self, store: Store) -> None:
        await evaluated(store, [record("a")])
        await store.end_attempt(AttemptId(77), now=2, exit_status=0, outcome=BuildState.SUCCESS, reason="")
        assert await store.last_attempts([drv("a")]) == {}
