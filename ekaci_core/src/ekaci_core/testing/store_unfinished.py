"""What every store does with evaluations that are not finished; part of the conformance of stores."""

from __future__ import annotations

from typing import Final

import attrs
import pytest

from ekaci_core.model.evaluation import AttributeFault, EvaluationKey, FaultKind, NullAttribute
from ekaci_core.model.ids import AttrPath
from ekaci_core.store.contract import EvaluationId, Store
from ekaci_core.testing.facts import attribute, evaluated, key, record

FAULT: Final = AttributeFault(AttrPath("b"), FaultKind.ERROR, "error: no")


class UnfinishedConformance:
    """Continuing, and what is not worth it."""

    async def test_an_unfinished_evaluation_is_continued_with_its_attributes(self, store: Store) -> None:
        evaluation = await store.begin_evaluation(key(), now=50, gc_roots="/roots")
        assert await store.unfinished_evaluations(key()) == (), "it has nothing yet"
        await store.add_evaluated(
            evaluation, [record("a"), record("b")], [attribute("a"), FAULT, NullAttribute(AttrPath("n"))]
        )
        [found] = await store.unfinished_evaluations(key())
        assert (found.id, found.gc_roots, found.finished, found.used_at) == (evaluation, "/roots", False, 50)
        assert await store.continue_evaluation(evaluation, now=70)
        contents = await store.contents(evaluation)
        assert contents.attributes.keys() == {"a"}
        assert (contents.faults, contents.nulls) == ((), 0)
        await store.add_evaluated(evaluation, [], [attribute("b"), NullAttribute(AttrPath("n"))])
        await store.finish_evaluation(evaluation, now=75)
        contents = await store.contents(evaluation)
        assert contents.attributes.keys() == {"a", "b"}
        assert (contents.faults, contents.nulls) == ((), 1)
        finished = await store.find_evaluation(key())
        assert finished is not None
        assert finished.duration == 5

    async def test_only_what_is_unfinished_and_there_can_be_continued(self, store: Store) -> None:
        finished = await evaluated(store, [record("a")], [attribute("a"), FAULT], now=100)
        assert not await store.continue_evaluation(finished, now=200)
        assert len((await store.contents(finished)).faults) == 1
        assert not await store.continue_evaluation(EvaluationId(10_000), now=200)
        assert await store.unfinished_evaluations(key()) == ()

    @pytest.mark.parametrize("field", [each.name for each in attrs.fields(EvaluationKey)])
    async def test_unfinished_evaluations_are_those_of_the_key(self, store: Store, field: str) -> None:
        numbers = []
        for now in (50, 70, 60):
            numbers.append(await store.begin_evaluation(key(), now=now, gc_roots="/roots"))
            await store.add_evaluated(numbers[-1], [record("a")], [attribute("a")])
        assert [use.id for use in await store.unfinished_evaluations(key())] == [numbers[1], numbers[2], numbers[0]]
        other = EvaluationKey(**{**attrs.asdict(key()), field: "b" * 40})
        assert await store.unfinished_evaluations(other) == ()
        assert not any(use.obsolete for use in await store.evaluations())
        await evaluated(store, of=other)
        assert not any(use.obsolete for use in await store.evaluations())

    async def test_what_is_not_worth_continuing_is_obsolete(self, store: Store) -> None:
        empty = await store.begin_evaluation(key("empty"), now=50, gc_roots="/roots/1")
        begun = await store.begin_evaluation(key(), now=60, gc_roots="/roots/2")
        await store.add_evaluated(begun, [record("a")], [attribute("a")])
        assert {use.id: use.obsolete for use in await store.evaluations()} == {empty: True, begun: False}
        finished = await evaluated(store)
        assert {use.id: use.obsolete for use in await store.evaluations()} == {
            empty: True,
            begun: True,
            finished: False,
        }

    async def test_an_unfinished_evaluation_can_be_dropped_and_an_unknown_one_too(self, store: Store) -> None:
        evaluation = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        await store.add_evaluated(evaluation, [record("a")], [attribute("a"), FAULT])
        await store.drop_evaluations([evaluation, EvaluationId(10_000)])
        assert await store.evaluations() == ()

    async def test_only_what_is_there_and_finished_can_be_used(self, store: Store) -> None:
        unfinished = await store.begin_evaluation(key(), now=50, gc_roots="/roots")
        assert not await store.use_evaluation(unfinished, now=60)
        gone = await evaluated(store)
        await store.drop_evaluations([gone])
        assert not await store.use_evaluation(gone, now=60)

    async def test_uses_are_listed_last_used_first(self, store: Store) -> None:
        first = await evaluated(store, now=100)
        second = await evaluated(store, of=key("other"), now=200)
        unfinished = await store.begin_evaluation(key("third"), now=50, gc_roots="/roots/3")
        assert [use.id for use in await store.evaluations()] == [second, first, unfinished]
        assert await store.use_evaluation(first, now=400)
        uses = await store.evaluations()
        assert [(use.id, use.finished, use.used_at) for use in uses] == [
            (first, True, 400),
            (second, True, 205),
            (unfinished, False, 50),
        ]
        assert uses[2].gc_roots == "/roots/3"
