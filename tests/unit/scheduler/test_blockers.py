"""Sets of blockers are what was put, and are kept once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.blockers import Blockers
from ekaci_core.testing.builds import drv_path

SETS = st.frozensets(st.sampled_from([drv_path(name) for name in "abc"]))


@given(st.lists(st.tuples(st.integers(0, 9), SETS)))
def test_each_row_has_what_was_put_last(puts: list[tuple[int, frozenset[DrvPath]]]) -> None:
    blockers, expected = Blockers(), dict[int, frozenset[DrvPath]]()
    for row, value in puts:
        blockers.put(row, value)
        expected[row] = value
        assert [blockers[each] for each in range(10)] == [expected.get(each, frozenset()) for each in range(10)]
        assert len(blockers) == len({each for each in expected.values() if each})


def test_equal_sets_are_one() -> None:
    blockers = Blockers()
    first, second = frozenset({drv_path("a")}), frozenset({drv_path("a")})
    assert blockers.shared(second) is second
    blockers.put(3, first)
    blockers.put(7, second)
    assert blockers[7] is blockers[3] is blockers.shared(second) is first
