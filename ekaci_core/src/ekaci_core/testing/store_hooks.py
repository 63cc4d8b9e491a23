"""The part of a store's contract that is runs of post-build hooks."""

from __future__ import annotations

import attrs
import pytest

from ekaci_core.model.build import BuildState
from ekaci_core.model.forge import Branch
from ekaci_core.model.hook import HookOrigin, HookState
from ekaci_core.model.review import ReviewState
from ekaci_core.store.contract import Store, UnknownDerivation
from ekaci_core.store.hook_execution import HookExecution, HookOccasion, WantedHook
from ekaci_core.testing.facts import drv, evaluated, record
from ekaci_core.testing.store_forges import HERE, THERE, sha, wish

PUSH = WantedHook(
    hook="push", origin=HookOrigin.SERVER, fod=False, job="packages", drv=drv("a"), built_at=5.0, definition=""
)


async def _occasion(store: Store, head: str = "a", **changes: object) -> HookOccasion:
    wanted = wish(head, None, **changes)
    review = await store.ask_review(wanted, ReviewState.QUEUED, now=1.0)
    return HookOccasion(review=review, repository=wanted.repository, branch=Branch("topic"), sha=sha(head))


async def _queued(store: Store, *wanted: WantedHook, now: float = 10.0) -> list[HookExecution]:
    await evaluated(store, [record("a"), record("b")])
    await store.want_hooks(wanted or [PUSH], await _occasion(store), now=now)
    return list(await store.pending_hooks(limit=100))


class HookConformance:
    """What every store does with runs of hooks."""

    async def test_a_hook_that_is_wanted_comes_back_as_it_went(self, store: Store) -> None:
        own = attrs.evolve(PUSH, hook="own", origin=HookOrigin.REPOSITORY, fod=True, definition='{"command": []}')
        first, second = await _queued(store, PUSH, own)
        (review,) = await store.live_reviews()
        assert first == HookExecution(
            id=first.id,
            review=review.id,
            repository=HERE,
            drv=drv("a"),
            origin=HookOrigin.SERVER,
            hook="push",
            fod=False,
            job="packages",
            branch=Branch("topic"),
            sha=sha("a"),
            definition="",
            state=HookState.QUEUED,
            asked_at=10.0,
        )
        assert (second.hook, second.origin, second.fod, second.definition) == (
            "own",
            HookOrigin.REPOSITORY,
            True,
            '{"command": []}',
        )

    async def test_a_hook_is_wanted_once_for_a_review(self, store: Store) -> None:
        await _queued(store)
        occasion = await _occasion(store)
        later = attrs.evolve(PUSH, built_at=50.0)
        assert await store.want_hooks([later, later], occasion, now=60.0) == 0, "not even where it was built anew"
        assert await store.want_hooks([attrs.evolve(PUSH, origin=HookOrigin.REPOSITORY)], occasion, now=60.0) == 1
        assert await store.want_hooks([attrs.evolve(PUSH, drv=drv("b"))], occasion, now=60.0) == 1

    async def test_a_hook_is_run_once_of_what_is_built_once_in_a_repository(self, store: Store) -> None:
        await _queued(store)
        other = await _occasion(store, "b")
        assert await store.want_hooks([PUSH], other, now=20.0) == 0
        assert await store.want_hooks([attrs.evolve(PUSH, built_at=15.0)], other, now=20.0) == 1, "it was built anew"
        elsewhere = await _occasion(store, "c", repository=THERE)
        assert await store.want_hooks([PUSH], elsewhere, now=20.0) == 1

    async def test_a_hook_that_was_refused_is_run_for_the_next_review(self, store: Store) -> None:
        (first,) = await _queued(store)
        await store.end_hook(first.id, HookState.REFUSED, exit_status=None, reason="no sandbox", now=11.0)
        assert await store.want_hooks([PUSH], await _occasion(store), now=20.0) == 0
        assert await store.want_hooks([PUSH], await _occasion(store, "b"), now=20.0) == 1

    async def test_many_hooks_are_wanted_at_once(self, store: Store) -> None:
        await evaluated(store, [record("a")])
        many = [attrs.evolve(PUSH, hook=f"h{number}") for number in range(1100)]
        assert await store.want_hooks(many, await _occasion(store), now=1.0) == 1100
        assert [each.hook for each in await store.pending_hooks(limit=2)] == ["h0", "h1"]

    async def test_no_hook_is_run_of_what_is_not_stored(self, store: Store) -> None:
        with pytest.raises(UnknownDerivation):
            await store.want_hooks([PUSH], await _occasion(store), now=1.0)

    async def test_a_hook_runs_and_ends(self, store: Store) -> None:
        (queued,) = await _queued(store)
        assert await store.begin_hook(queued.id, log_path="/l", now=20.0)
        assert not await store.begin_hook(queued.id, log_path="/l", now=21.0), "somebody runs it"
        assert await store.pending_hooks(limit=9) == []
        (running,) = await store.hook_executions(state=HookState.RUNNING)
        assert (running.attempts, running.started_at, running.log_path, running.ended_at) == (1, 20.0, "/l", None)
        await store.end_hook(queued.id, HookState.FAILED, exit_status=3, reason="it said \udcff", now=30.0)
        (ended,) = await store.hook_executions()
        assert (ended.state, ended.exit_status, ended.ended_at) == (HookState.FAILED, 3, 30.0)
        assert ended.reason.startswith("it said ")
        assert not await store.begin_hook(queued.id, log_path="/l", now=40.0), "it has ended"

    async def test_a_hook_that_was_interrupted_is_pending_and_keeps_its_place(self, store: Store) -> None:
        first, second = await _queued(store, PUSH, attrs.evolve(PUSH, hook="second"))
        await store.begin_hook(first.id, log_path="/l", now=20.0)
        await store.end_hook(first.id, HookState.INTERRUPTED, exit_status=None, reason="stopped", now=21.0)
        assert [each.id for each in await store.pending_hooks(limit=9)] == [first.id, second.id]
        assert [each.id for each in await store.pending_hooks(limit=9, after=first.id)] == [second.id]
        assert await store.begin_hook(first.id, log_path="/l", now=30.0)
        (again,) = await store.hook_executions(state=HookState.RUNNING)
        assert (again.attempts, again.deaths, again.ended_at, again.reason) == (2, 0, None, "")

    async def test_a_hook_whose_server_was_killed_runs_again_once(self, store: Store) -> None:
        (queued,) = await _queued(store)
        for times, state, pending in ((1, HookState.INTERRUPTED, 1), (2, HookState.ABANDONED, 0)):
            assert await store.begin_hook(queued.id, log_path="/l", now=20.0)
            (found,) = await store.recover_hooks(now=30.0)
            assert (found.state, found.ended_at) == (state, 30.0)
            assert found.deaths == found.attempts == times
            assert "killed" in found.reason
            assert len(await store.pending_hooks(limit=9)) == pending
        assert await store.recover_hooks(now=40.0) == []

    async def test_runs_of_hooks_are_listed_in_pages(self, store: Store) -> None:
        queued = await _queued(store, *(attrs.evolve(PUSH, hook=f"h{number}") for number in range(4)))
        numbers = [each.id for each in queued]
        assert [each.id for each in await store.hook_executions(limit=2)] == numbers[:1:-1]
        assert [each.id for each in await store.hook_executions(before=numbers[2])] == numbers[1::-1]
        await store.end_hook(numbers[1], HookState.SUCCEEDED, exit_status=0, reason="", now=1.0)
        assert [each.id for each in await store.hook_executions(state=HookState.SUCCEEDED)] == [numbers[1]]

    async def test_old_runs_of_hooks_are_forgotten_and_pending_ones_stay(self, store: Store) -> None:
        first, second, third, _ = await _queued(store, *(attrs.evolve(PUSH, hook=f"h{n}") for n in range(4)))
        await store.end_hook(first.id, HookState.SUCCEEDED, exit_status=0, reason="", now=11.0)
        await store.end_hook(second.id, HookState.FAILED, exit_status=1, reason="", now=20.0)
        await store.end_hook(third.id, HookState.INTERRUPTED, exit_status=None, reason="", now=11.0)
        assert await store.prune_hooks(before=20.0) == 1
        assert [each.hook for each in await store.hook_executions()] == ["h3", "h2", "h1"]

    async def test_runs_of_hooks_follow_a_repository_that_is_renamed(self, store: Store) -> None:
        await _queued(store)
        await store.ask_review(wish("a", None, repository=THERE), ReviewState.QUEUED, now=1.0)
        await store.rename_repository(HERE, THERE)
        (found,) = await store.hook_executions()
        assert (found.repository, found.review) == (THERE, None), "of two reviews of one commit, one stays"

    async def test_what_was_built_is_told_with_its_time(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("b"), record("c")])
        numbers = await store.derivation_ids([drv("a"), drv("b"), drv("c")])
        for name, now, outcome in (
            ("a", 1.0, BuildState.FAILED_RETRY),
            ("a", 2.0, BuildState.SUCCESS),
            ("a", 3.0, BuildState.SUCCESS),
            ("b", 4.0, BuildState.FAILURE),
            ("c", 5.0, BuildState.SUCCESS),
        ):
            attempt = await store.begin_attempt(drv(name), builder="local", log_path=None, now=now)
            await store.end_attempt(attempt, now=now, exit_status=0, outcome=outcome, reason="")
        await store.begin_attempt(drv("c"), builder="local", log_path=None, now=9.0)
        assert await store.built_at(numbers.values()) == {numbers[drv("a")]: 3.0, numbers[drv("c")]: 5.0}
        assert await store.built_at([numbers[drv("b")]]) == {}
        assert await store.built_at([]) == {}
