"""What a store says of derivations by number, as tests."""

from __future__ import annotations

from ekaci_core.store.contract import DerivationId, Store
from ekaci_core.testing.facts import drv, evaluated, record


class NumberConformance:
    """Edges by number."""

    async def test_inputs_are_told_by_number_in_the_order_of_their_paths(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("c"), record("b", "c", "a"), record("d", "b")])
        ids = await store.derivation_ids([drv(name) for name in "abcd"])
        path_of = {number: path for path, number in ids.items()}
        found = await store.derivations_with_inputs([*ids.values(), DerivationId(999)])
        assert {number: each.record for number, each in found.items()} == await store.derivations(list(ids.values()))
        for each in found.values():
            assert [path_of[DerivationId(number)] for number in each.inputs] == list(each.record.inputs)
        inputs = await store.inputs([*ids.values(), DerivationId(999)])
        assert {number: list(each) for number, each in inputs.items()} == {
            number: list(each.inputs) for number, each in found.items()
        }

    async def test_numbers_ascend_from_inputs_to_dependents(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("c", "a")])
        await evaluated(store, [record("b", "c"), record("a"), record("d", "a", "b")])
        ids = await store.derivation_ids([drv(name) for name in "abcd"])
        assert ids[drv("a")] < ids[drv("c")] < ids[drv("b")] < ids[drv("d")]
