from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_builder_ssh.circuit import Circuit, CircuitSettings


def opened(now: float = 0) -> Circuit:
    circuit = Circuit()
    for _ in range(3):
        circuit.failed(now)
    return circuit


def test_the_defaults_are_documented_ones() -> None:
    assert CircuitSettings() == CircuitSettings(3, 120, 30, 600, 30)


@pytest.mark.parametrize(
    ("times", "is_open"),
    [
        ((), False),
        ((0, 0), False),
        ((0, 0, 0), True),
        ((0, 60, 120), True),
        ((0, 60, 120.001), False),
        ((0, 100, 200, 210), True),
        ((0, 121, 242, 363), False),
    ],
)
def test_three_failures_within_the_window_open_it(*, times: tuple[float, ...], is_open: bool) -> None:
    circuit = Circuit()
    for now in times:
        circuit.failed(now)
    assert circuit.is_open == is_open


def test_an_answer_between_them_counts_them_anew() -> None:
    circuit = Circuit()
    for now in (0, 1):
        circuit.failed(now)
    circuit.succeeded()
    for now in (2, 3):
        circuit.failed(now)
    assert not circuit.is_open


def test_probes_come_after_30_seconds_and_then_half_as_often_each_time_up_to_600() -> None:
    circuit = opened(now=1000)
    now, waits = 1000.0, []
    for _ in range(7):
        assert circuit.probe_at is not None
        waits.append(circuit.probe_at - now)
        now = circuit.probe_at
        circuit.probe_failed(now)
    assert waits == [30, 60, 120, 240, 480, 600, 600]


def test_one_answer_closes_it_and_the_next_opening_begins_at_30_seconds() -> None:
    circuit = opened()
    circuit.probe_failed(30)
    circuit.succeeded()
    assert not circuit.is_open
    assert circuit.probe_at is None
    circuit.probe_failed(40)
    assert not circuit.is_open, "a probe that was under way while it closed"
    for _ in range(3):
        circuit.failed(50)
    assert circuit.probe_at == 80


def test_failures_of_what_was_under_way_do_not_postpone_the_probe() -> None:
    circuit = opened()
    for now in (1, 2, 3, 4):
        circuit.failed(now)
    assert circuit.probe_at == 30


@given(st.lists(st.tuples(st.sampled_from("fps"), st.floats(0, 300)), max_size=60))
def test_it_opens_only_after_three_failures_and_never_waits_too_long(
    steps: list[tuple[str, float]],
) -> None:
    circuit, now, since = Circuit(), 0.0, 0
    for kind, passed in steps:
        now += passed
        if kind == "f":
            circuit.failed(now)
            since += 1
        elif kind == "p":
            circuit.probe_failed(now)
        else:
            circuit.succeeded()
            since = 0
        if circuit.is_open:
            assert since >= 3
            assert circuit.probe_at is not None
            assert circuit.probe_at - now <= 600
