from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.builtin.evaluators.frontier import BATCH, Batch, Frontier, Mode
from ekaci_core.builtin.evaluators.selection import Selection
from ekaci_core.model.ids import AttrPath


def names(count: int, prefix: str = "p") -> list[str]:
    return [f"{prefix}{number:05}" for number in range(count)]


def begun(workers: int = 2, *globs: str, known: tuple[str, ...] = ()) -> Frontier:
    frontier = Frontier(Selection(globs), workers, {AttrPath(attr) for attr in known})
    top = frontier.take(0, fresh=True)
    assert top is not None
    assert top.top
    assert (top.size, top.path(0)) == (1, ())
    assert not frontier
    return frontier


def test_sets_stay_with_who_found_them() -> None:
    frontier = begun()
    frontier.add(("a",), names(100), home=0)
    frontier.add(("b",), names(100), home=1)
    for worker, prefix in ((0, ("a",)), (1, ("b",)), (1, ("b",)), (0, ("a",))):
        batch = frontier.take(worker, fresh=False)
        assert batch is not None
        assert batch.prefix == prefix


def test_an_idle_worker_takes_the_far_end_of_the_largest_set() -> None:
    frontier = begun()
    frontier.add(("small",), names(10), home=0)
    frontier.add(("large",), names(1000), home=0)
    stolen = frontier.take(1, fresh=False)
    assert stolen is not None
    assert stolen.prefix == ("large",)
    assert stolen.names == tuple(names(1000)[-len(stolen.names) :])


def test_batches_get_small_towards_the_end() -> None:
    frontier = begun()
    frontier.add((), names(1000), home=None)
    sizes = []
    while batch := frontier.take(0, fresh=False):
        sizes.append(batch.size)
    assert sizes[0] == BATCH
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes[-3:]) <= 4


def test_who_must_be_alone_gets_a_fresh_worker() -> None:
    frontier = begun()
    culprit = Batch(("set",), ("bad",), alone=True)
    frontier.again(culprit, None)
    assert frontier.take(0, fresh=False) is None
    assert frontier.waits_for_fresh
    assert frontier.take(1, fresh=True) == culprit
    assert not frontier


def test_what_was_put_back_comes_before_other_work_but_at_home() -> None:
    frontier = begun()
    frontier.add(("a",), names(64), home=0)
    frontier.add(("b",), names(64), home=1)
    rest = Batch(("a",), ("x",))
    frontier.again(rest, 0)
    at_b = frontier.take(1, fresh=False)
    assert at_b is not None
    assert at_b.prefix == ("b",)
    assert frontier.take(0, fresh=False) == rest


def test_globs_decide_what_is_evaluated_and_what_only_looked_into() -> None:
    frontier = begun(1, "perl.*", "curl")
    frontier.add((), ["curl", "perl", "python"], home=None)
    full, probe = frontier.take(0, fresh=False), frontier.take(0, fresh=False)
    assert full == Batch((), ("curl",))
    assert probe == Batch((), ("perl",), Mode.PROBE)
    assert frontier.take(0, fresh=False) is None


def test_what_is_known_is_left_out() -> None:
    frontier = begun(1, known=("a", 'set."x.y"'))
    frontier.add((), ["a", "b"], home=None)
    frontier.add(("set",), ["x.y"], home=None)
    assert frontier.take(0, fresh=False) == Batch((), ("b",))
    assert not frontier


def test_parts_of_a_batch() -> None:
    batch = Batch(("s",), ("a", "b", "c"))
    assert batch.path(1) == ("s", "b")
    assert batch.only(1, mode=Mode.META) == Batch(("s",), ("b",), Mode.META)
    assert batch.after(2) == Batch(("s",), ("c",))
    assert batch.after(3) is None


@given(
    sets=st.lists(st.tuples(st.integers(0, 200), st.sampled_from([None, 0, 1, 2])), max_size=8),
    turns=st.lists(st.integers(0, 2), min_size=1),
)
def test_every_attribute_is_handed_out_once(sets: list[tuple[int, int | None]], turns: list[int]) -> None:
    frontier = begun(3)
    expected = set()
    for number, (count, home) in enumerate(sets):
        frontier.add((f"set{number}",), names(count), home)
        expected |= {(f"set{number}", name) for name in names(count)}
    found: list[tuple[str, ...]] = []
    turn = 0
    while frontier:
        batch = frontier.take(turns[turn % len(turns)], fresh=False)
        turn += 1
        assert batch is not None
        found += [batch.path(index) for index in range(batch.size)]
    assert len(found) == len(set(found))
    assert set(found) == expected
