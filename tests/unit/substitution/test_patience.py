from __future__ import annotations

import pytest

from ekaci_core.substitution.patience import LONGEST_OPEN_SECONDS, OPEN_SECONDS, Circuit, delay, retry_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("0", 0),
        (" 12 ", 12),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue, 14 Nov 2023 22:13:50 -0000", 30),
        ("Tue, 14 Nov 2022 22:13:50 GMT", 0),
        ("9" * 400, float("inf")),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_delays_grow_and_are_spread_and_bounded() -> None:
    assert [delay(attempt, None, 0.5) for attempt in (1, 2, 3)] == [0.25, 0.5, 1.0]
    assert delay(1, None, 0.0) != delay(1, None, 1.0)
    assert delay(50, None, 1.0) == 10


def test_what_a_cache_asks_for_is_waited_for_if_it_is_little() -> None:
    assert delay(1, 3.0, 0.5) == 3
    assert delay(4, 0.0, 0.5) == 2
    assert delay(1, 11.0, 0.5) is None


def test_a_circuit_opens_after_failures_in_a_row() -> None:
    circuit = Circuit()
    assert [circuit.failed(NOW), circuit.failed(NOW)] == [False, False]
    circuit.succeeded()
    assert [circuit.failed(NOW), circuit.failed(NOW), circuit.failed(NOW)] == [False, False, True]
    assert circuit.is_open(NOW + OPEN_SECONDS - 1)
    assert not circuit.is_open(NOW + OPEN_SECONDS)


def test_a_circuit_that_fails_again_stays_open_longer_but_not_for_ever() -> None:
    circuit = Circuit()
    now = NOW
    lengths = []
    for _ in range(8):
        while not circuit.failed(now):
            pass
        length = next(seconds for seconds in range(1, 2000) if not circuit.is_open(now + seconds))
        lengths.append(length)
        now += length
    assert lengths[:4] == [60, 120, 240, 480]
    assert lengths[-1] == LONGEST_OPEN_SECONDS
    circuit.succeeded()
    assert not circuit.failed(now)


def test_a_cache_may_ask_to_be_left_alone() -> None:
    circuit = Circuit()
    assert circuit.failed(NOW, wait=100)
    assert circuit.is_open(NOW + 99)
    assert not circuit.is_open(NOW + 100)


def test_failures_of_questions_that_were_under_way_count_once() -> None:
    circuit = Circuit()
    assert [circuit.failed(NOW) for _ in range(50)].count(True) == 1
    assert not circuit.is_open(NOW + OPEN_SECONDS)
