"""What every store does with attributes that are as in an earlier evaluation; part of the conformance of stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import pytest

from ekaci_core.model.evaluation import (
    AttributeFault,
    EvaluatedAttribute,
    EvaluatedItem,
    FaultKind,
    NullAttribute,
    UnchangedAttribute,
)
from ekaci_core.model.ids import AttrPath
from ekaci_core.store.contract import EvaluationId, Store, UnknownAttribute
from ekaci_core.testing.facts import attribute, drv, evaluated, key, record

_FAULT: Final = AttributeFault(AttrPath("broken"), FaultKind.ERROR, "error: no")


def unchanged(name: str) -> UnchangedAttribute:
    """Say that an attribute made by `attribute` is as it was."""
    return UnchangedAttribute(AttrPath(name), drv(name))


async def _earlier(store: Store, items: Sequence[EvaluatedAttribute]) -> EvaluationId:
    return await evaluated(store, [record(name) for name in dict.fromkeys(item.name for item in items)], items)


class UnchangedConformance:
    """Copying, and what cannot be copied."""

    async def test_an_unchanged_attribute_is_stored_as_it_was(self, store: Store) -> None:
        whole = attrs.evolve(attribute("a", {"broken": True}), pname="pa", version="1", fingerprint=b"\0a")
        items = [whole, attrs.evolve(attribute("b"), fingerprint=b"b"), attribute("c")]
        first = await _earlier(store, items)
        assert await store.fingerprints(first) == {"a": b"\0a", "b": b"b"}
        second = await store.begin_evaluation(key("next"), now=1, gc_roots="/roots")
        new: list[EvaluatedItem] = [attribute("d"), _FAULT, NullAttribute(AttrPath("n"))]
        await store.add_evaluated(second, [record("d")], [unchanged("a"), *new, unchanged("b")], earlier=first)
        await store.finish_evaluation(second, now=2)
        before, after = await store.contents(first), await store.contents(second)
        assert after.attributes.keys() == {"a", "b", "d"}
        assert {attr: after.attributes[AttrPath(attr)] for attr in "ab"} == {
            attr: before.attributes[AttrPath(attr)] for attr in "ab"
        }
        assert (after.faults, after.nulls) == ((_FAULT,), 1)
        assert await store.fingerprints(second) == {"a": b"\0a", "b": b"b"}
        assert await store.evaluated_derivations(second) == {drv(name) for name in "abd"}

    async def test_what_was_copied_stays_when_the_earlier_one_goes(self, store: Store) -> None:
        first = await _earlier(store, [attribute("a", {"broken": True})])
        second = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        await store.add_evaluated(second, [], [unchanged("a")], earlier=first)
        before = (await store.contents(first)).attributes
        await store.drop_evaluations([first])
        assert (await store.contents(second)).attributes == before
        [unfinished] = await store.unfinished_evaluations(key())
        assert unfinished.id == second, "it can be continued"

    async def test_what_the_earlier_one_does_not_have_is_refused_as_a_whole(self, store: Store) -> None:
        first = await _earlier(store, [attribute("a")])
        gone = await _earlier(store, [attribute("a"), attribute("b")])
        await store.drop_evaluations([gone])
        second = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        for earlier in (first, gone, None):
            with pytest.raises(UnknownAttribute):
                await store.add_evaluated(
                    second, [record("c")], [attribute("c"), unchanged("a"), unchanged("b"), _FAULT], earlier=earlier
                )
        contents = await store.contents(second)
        assert (contents.attributes, contents.faults) == ({}, ())
        assert await store.known_derivations([drv("c")]) == frozenset()

    async def test_an_unchanged_attribute_given_twice_is_as_it_was_last(self, store: Store) -> None:
        first = await _earlier(store, [attribute("a"), attribute("b")])
        other = [attrs.evolve(attribute(name), drv=drv("c")) for name in "ab"]
        second = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        await store.add_evaluated(
            second, [record("c")], [unchanged("a"), other[0], other[1], unchanged("b")], earlier=first
        )
        ids = await store.derivation_ids([drv("b"), drv("c")])
        found = (await store.contents(second)).attributes
        assert [found[AttrPath(name)].derivation for name in "ab"] == [ids[drv("c")], ids[drv("b")]]
        await store.add_evaluated(second, [], [unchanged("a")], earlier=first)
        assert (await store.contents(second)).attributes == (await store.contents(first)).attributes

    async def test_strange_names_are_copied_too(self, store: Store) -> None:
        names = [AttrPath.of(["a", "b.c"]), AttrPath('"quo\\"te"'), AttrPath("ünï"), AttrPath("nul\0"), AttrPath("")]
        first = await _earlier(store, [attrs.evolve(attribute("a"), attr=name, fingerprint=b"f") for name in names])
        assert (await store.fingerprints(first)).keys() == set(names)
        second = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        await store.add_evaluated(second, [], [UnchangedAttribute(name, drv("a")) for name in names], earlier=first)
        assert (await store.contents(second)).attributes == (await store.contents(first)).attributes

    async def test_what_is_not_there_has_no_fingerprints(self, store: Store) -> None:
        assert await store.fingerprints(EvaluationId(10_000)) == {}
