"""How long a path and a cache are tried."""

from __future__ import annotations

import attrs

from ekaci_core.api import AlreadyPresent, Pushed, PushFailed
from ekaci_core.delivery.circuit import Circuit
from ekaci_core.delivery.patience import (
    FIRST_PAUSE_SECONDS,
    LAST_PAUSE_SECONDS,
    LONGEST_SECONDS,
    MOST_ATTEMPTS,
    end_of,
    pause,
)
from ekaci_core.store.push import Push, PushEnd, PushId, PushState, WantedPush
from ekaci_core.testing.facts import drv
from ekaci_core.testing.scripted_cache import store_path
from ekaci_core.testing.store_forges import HERE

PUSH = Push(
    id=PushId(7),
    wanted=WantedPush(cache="one", path=store_path("a"), derivation=drv("a"), repository=HERE),
    state=PushState.PENDING,
    asked_at=1.0,
    changed_at=1.0,
)
SLOW = PushFailed("no network", transient=True)


def end(
    outcome: Pushed | AlreadyPresent | PushFailed,
    attempts: int = 1,
    *,
    began: float = 0.0,
    now: float = 10.0,
    probing: bool = False,
) -> PushEnd:
    return end_of(PUSH, outcome, attempts=attempts, began=began, now=now, probing=probing)


def test_pauses_grow_to_a_bound() -> None:
    assert [pause(attempts) for attempts in (1, 2, 3)] == [FIRST_PAUSE_SECONDS * factor for factor in (1, 2, 4)]
    assert pause(500) == LAST_PAUSE_SECONDS
    assert sum(pause(attempts) for attempts in range(1, MOST_ATTEMPTS)) > 8 * 3600, (
        "a night without a network is no end"
    )


def test_what_went_well_is_over() -> None:
    assert end(Pushed(5)) == PushEnd(push=PUSH.id, state=PushState.DONE, sent_bytes=5)
    assert end(AlreadyPresent()) == PushEnd(push=PUSH.id, state=PushState.PRESENT)
    assert end(PushFailed("forbidden")) == PushEnd(push=PUSH.id, state=PushState.FAILED, reason="forbidden")


def test_what_may_pass_is_tried_ten_times_or_for_a_day() -> None:
    again = end(SLOW)
    assert (again.state, again.not_before, again.reason) == (
        PushState.PENDING,
        10.0 + FIRST_PAUSE_SECONDS,
        "no network",
    )
    assert end(SLOW, MOST_ATTEMPTS - 1).state is PushState.PENDING
    last = end(SLOW, MOST_ATTEMPTS)
    assert (last.state, last.reason) == (PushState.FAILED, "no network (given up after 10 attempts)")
    assert end(SLOW, 2, now=LONGEST_SECONDS - 1).state is PushState.PENDING
    assert end(SLOW, 2, now=LONGEST_SECONDS).state is PushState.FAILED


def test_a_cache_that_does_not_answer_is_no_fault_of_a_path() -> None:
    assert end(SLOW, MOST_ATTEMPTS, probing=True).state is PushState.PENDING


def test_a_cache_says_how_long_it_wants_to_be_left_alone() -> None:
    assert end(attrs.evolve(SLOW, retry_after_seconds=500.0)).not_before == 510.0
    assert end(attrs.evolve(SLOW, retry_after_seconds=1.0)).not_before == 10.0 + FIRST_PAUSE_SECONDS


def test_three_failures_in_two_minutes_open_the_circuit() -> None:
    circuit = Circuit()
    for at in (0.0, 100.0, 121.0):
        circuit.failed(at)
    assert circuit.wait(121.0) == 0.0, "the first is too long ago"
    circuit.failed(200.0)
    assert circuit.is_open
    assert circuit.wait(200.0) == 30.0


def test_probes_come_ever_later_up_to_a_bound() -> None:
    circuit = Circuit()
    for _ in range(3):
        circuit.failed(0.0)
    circuit.failed(1.0)
    assert circuit.wait(0.0) == 30.0, "calls that began before do not count"
    at, waits = 0.0, []
    for _ in range(6):
        waits.append(circuit.wait(at))
        at += waits[-1]
        circuit.failed(at)
    assert waits == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0]
    circuit.succeeded()
    assert circuit.wait(at) == 0.0
    circuit.failed(at)
    circuit.failed(at)
    assert not circuit.is_open, "what was before does not count any more"


def test_a_probe_can_be_had_at_once() -> None:
    circuit = Circuit()
    circuit.trip(0.0)
    circuit.hurry(5.0)
    assert (circuit.is_open, circuit.wait(5.0)) == (True, 0.0)
    circuit.failed(5.0)
    assert circuit.wait(5.0) == 600.0
    circuit.succeeded()
    circuit.hurry(5.0)
    assert circuit.wait(5.0) == 0.0


def test_a_cache_that_cannot_work_is_left_alone_at_once() -> None:
    circuit = Circuit()
    circuit.trip(5.0)
    assert circuit.wait(5.0) == 600.0
