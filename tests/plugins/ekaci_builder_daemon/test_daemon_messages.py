"""What the daemon tells while it works, as bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.plugins.ekaci_builder_daemon.stand_in import (
    ERROR,
    LAST,
    NEXT,
    RESULT,
    START,
    STOP,
    error,
    log_line,
    phase,
    s,
    started,
    w,
)

from ekaci_builder_daemon.messages import until_last
from ekaci_builder_daemon.wire import TEXT_BYTES, Inbox, Unreadable
from ekaci_core.api import NixEvent, NixMessage, NixResult, NixStarted, NixStopped

DRV = "/nix/store/00000000000000000000000000000000-x.drv"


def heard(data: bytes, size: int = 10**9) -> tuple[list[NixEvent], NixMessage | None]:
    inbox, events = Inbox(), list[NixEvent]()
    reading = until_last(inbox, events.append)
    for at in range(0, len(data) + 1, size):
        try:
            next(reading)
        except StopIteration as end:
            assert inbox.is_empty
            return events, end.value
        inbox.feed(data[at : at + size])
    try:
        next(reading)
    except StopIteration as end:
        return events, end.value
    raise AssertionError("it waits for more")


@given(some.integers(1, 200))
def test_a_build_is_heard_however_it_is_cut(size: int) -> None:
    told = started(DRV) + phase("build") + log_line("one") + log_line(b"\xff") + w(STOP, 7) + w(NEXT) + s("careful\n")
    assert heard(told + w(LAST), size) == (
        [
            NixStarted(7, 105, (DRV, "", 1)),
            NixResult(7, 104, ("build",)),
            NixResult(7, 101, ("one",)),
            NixResult(7, 101, ("�",)),
            NixStopped(7),
            NixMessage(0, "careful"),
        ],
        None,
    )


def test_an_error_ends_it_with_its_traces_left_out() -> None:
    events, found = heard(log_line("x") + error("builder failed", traces=("while this", "while that")))
    assert events == [NixResult(7, 101, ("x",))]
    assert found == NixMessage(0, "builder failed", is_error=True)


def test_of_a_very_long_line_the_beginning_is_heard() -> None:
    events, _ = heard(log_line("a" * (TEXT_BYTES + 5)) + log_line("b") + w(LAST), 100_000)
    assert events == [NixResult(7, 101, ("a" * TEXT_BYTES,), cut=True), NixResult(7, 101, ("b",))]


def test_all_fields_of_one_message_have_the_room_of_one_line() -> None:
    big = w(1) + s("a" * TEXT_BYTES)
    events, _ = heard(w(RESULT, 7, 999, 50) + 50 * big + w(LAST), 100_000)
    assert events == [NixResult(7, 999, ("a" * TEXT_BYTES, *49 * [""]), cut=True)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (w(0x64617461, 5), "unknown message, 0x64617461"),
        (w(0x64617416) + s("x"), "unknown message"),
        (w(RESULT, 1, 101, 10**12), "1000000000000 fields"),
        (w(RESULT, 1, 101, 1, 2, 0), "unknown kind 0x2"),
        (w(START, 1, 3, 105) + s("") + w(1, 9), "unknown kind 0x9"),
        (w(ERROR) + s("Mistake"), "'Mistake'"),
        (w(ERROR) + s("Error") + w(0) + s("Error", "text") + w(1), "position"),
        (w(ERROR) + s("Error") + w(0) + s("Error", "text") + w(0, 2**40), "traces"),
    ],
)
def test_what_no_daemon_says_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        heard(data)


@given(some.binary(max_size=400))
def test_any_bytes_are_heard_refused_or_waited_on(data: bytes) -> None:
    inbox = Inbox()
    inbox.feed(data)
    reading = until_last(inbox, lambda _: None)
    with suppress(StopIteration, Unreadable):
        next(reading)
