from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.scheduler.backoff import Backoff
from ekaci_core.scheduler.wishes import SchedulerSettings


def test_the_defaults_are_as_documented() -> None:
    backoff = SchedulerSettings().backoff
    assert [backoff.pause(made) for made in range(1, 6)] == [5, 15, 45, None, None]


def test_pauses_are_bounded() -> None:
    backoff = Backoff(first_seconds=10, factor=10, most_seconds=300, attempts=10**9)
    assert [backoff.pause(made) for made in (1, 2, 3, 4, 10**6)] == [10, 100, 300, 300, 300]
    assert Backoff(first_seconds=600, most_seconds=300).pause(1) == 300


def test_one_attempt_makes_none_again() -> None:
    assert Backoff(attempts=1).pause(1) is None


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"factor": 0.5}, {"first_seconds": -1}, {"most_seconds": -1}])
def test_senseless_schedules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be >="):
        Backoff(**wrong)  # type: ignore[arg-type]  # attempts is whole


@given(
    first=st.floats(0, 1000),
    factor=st.floats(1, 100),
    most=st.floats(0, 10000),
    attempts=st.integers(1, 20),
    made=st.integers(1, 25),
)
def test_pauses_grow_until_the_last_attempt(first: float, factor: float, most: float, attempts: int, made: int) -> None:
    backoff = Backoff(first, factor, most, attempts)
    pause, later = backoff.pause(made), backoff.pause(made + 1)
    assert (pause is None) == (made >= attempts)
    if pause is not None:
        assert 0 <= pause <= most
    if pause is not None and later is not None:
        assert pause <= later
