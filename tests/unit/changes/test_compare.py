from tests.unit.changes.conftest import contents, fault, stored

from ekaci_core.changes.compare import compare
from ekaci_core.model.evaluation import FaultKind


def test_attributes_are_told_apart_by_derivation() -> None:
    base = contents(stored("same", 1), stored("gone", 2), stored("other", 3))
    head = contents(stored("same", 1), stored("other", 4), stored("new", 2))

    found = compare(base, head)

    assert [each.attr for each in found.added] == ["new"]
    assert [each.attr for each in found.removed] == ["gone"]
    assert [(old.derivation, new.derivation) for old, new in found.changed] == [(3, 4)]
    assert found.unchanged == 1


def test_each_part_is_sorted_by_attribute() -> None:
    base = contents(stored("z", 1), stored("a", 2), stored("y", 3), stored("b", 4))
    head = contents(stored("y", 30), stored("b", 40), stored("x", 5), stored("c", 6))

    found = compare(base, head)

    assert [each.attr for each in found.added] == ["c", "x"]
    assert [each.attr for each in found.removed] == ["a", "z"]
    assert [new.attr for _, new in found.changed] == ["b", "y"]


def test_other_metadata_of_the_same_derivation_counts_as_unchanged() -> None:
    base = contents(stored("a", 1, meta=1), stored("b", 2, meta=1), stored("c", 3))
    head = contents(stored("a", 1, meta=2), stored("b", 2, meta=1), stored("c", 30, meta=2))

    found = compare(base, head)

    assert [new.attr for _, new in found.other_meta] == ["a"]
    assert found.unchanged == 2


def test_every_attribute_is_counted_once() -> None:
    base = contents(*(stored(f"a{n}", n) for n in range(50)))
    head = contents(*(stored(f"a{n}", n + n % 3) for n in range(20, 80)))

    found = compare(base, head)

    assert len(found.removed) + len(found.changed) + found.unchanged == 50
    assert len(found.added) + len(found.changed) + found.unchanged == 60


def test_faults_are_matched_by_attribute_whatever_they_say() -> None:
    base = contents(faults=[fault("both", "error: one"), fault("fixed")])
    head = contents(faults=[fault("new"), fault("both", "error: two", FaultKind.STACK_OVERFLOW)])

    found = compare(base, head)

    assert [each.attr for each in found.new_faults] == ["new"]
    assert [each.attr for each in found.fixed_faults] == ["fixed"]


def test_lost_faults_are_matched_by_message_without_places() -> None:
    base = contents(faults=[fault(None, "error: lost at /checkouts/base/a.nix:3:5")])
    head = contents(
        faults=[fault(None, "error: lost at /checkouts/head/a.nix:4:1"), fault(None, "error: lost in another way")]
    )

    found = compare(base, head)

    assert [each.message for each in found.new_faults] == ["error: lost in another way"]
    assert found.fixed_faults == ()


def test_a_second_lost_fault_of_the_same_kind_is_new() -> None:
    base = contents(faults=[fault(None, "error: lost")])
    head = contents(faults=[fault(None, "error: lost"), fault(None, "error: lost")])

    assert len(compare(base, head).new_faults) == 1


def test_the_whole_job_is_an_attribute_of_its_own() -> None:
    found = compare(contents(stored("a", 1)), contents(faults=[fault("", "error: syntax")]))

    assert [each.attr for each in found.new_faults] == [""]
    assert [each.attr for each in found.removed] == ["a"]
