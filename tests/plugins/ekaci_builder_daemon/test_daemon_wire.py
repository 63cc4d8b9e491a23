"""Words and texts, in whatever pieces they come."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ekaci_builder_daemon import wire
from ekaci_builder_daemon.wire import Inbox, Reading, Unreadable


def fed(reading: Reading[object], inbox: Inbox, data: bytes, size: int) -> tuple[object, int]:
    """Read from data that comes in pieces; return the value and how many bytes were taken."""
    at = 0
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value, at
        assert at < len(data), "it waits for more than there is"
        inbox.feed(data[at : at + size])
        at += size


@given(some.lists(some.integers(0, 2**64 - 1) | some.text(), max_size=20), some.integers(1, 40))
def test_what_was_written_is_read_however_it_is_cut(values: list[int | str], size: int) -> None:
    def all_of(inbox: Inbox) -> Reading[list[int | str]]:
        found: list[int | str] = []
        for value in values:
            found += [(yield from inbox.word())] if isinstance(value, int) else [(yield from inbox.text())]
        return found

    data = b"".join(wire.word(value) if isinstance(value, int) else wire.text(value) for value in values)
    assert len(data) % 8 == 0
    inbox = Inbox()
    assert fed(all_of(inbox), inbox, data, size)[0] == values
    assert inbox.is_empty


def test_numbers_have_their_lowest_byte_first_and_texts_end_in_zeros() -> None:
    assert wire.word(0x6E697863) == b"cxin\0\0\0\0"
    assert wire.text("nine bytes")[8:] == b"nine bytes\0\0\0\0\0\0"
    assert wire.text("") == bytes(8)
    assert wire.texts(["a"]) == wire.word(1) + wire.text("a")


@given(some.binary(max_size=300), some.integers(0, 300), some.integers(1, 64))
def test_of_a_long_text_the_beginning_stays_and_the_rest_is_skipped(data: bytes, keep: int, size: int) -> None:
    inbox = Inbox()
    wired = struct.pack("<Q", len(data)) + data + bytes(-len(data) % 8) + wire.word(5)
    assert fed(inbox.data(keep), inbox, wired, size)[0] == (data[:keep], len(data) > keep)


def test_a_huge_text_takes_no_room() -> None:
    inbox = Inbox()
    reading = inbox.data(10)
    next(reading)
    inbox.feed(struct.pack("<Q", 100_000_000))
    for _ in range(1000):
        next(reading)
        inbox.feed(b"x" * 100_000)
        assert len(inbox._data) <= 200_000, "what is not kept is dropped as it comes"
    with pytest.raises(StopIteration) as end:
        next(reading)
    assert end.value.value == (b"x" * 10, True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (struct.pack("<Q", 2**63), "9223372036854775808 bytes of text"),
        (struct.pack("<Q", 1) + b"a234567\1", "filled up with zeros"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, message: str) -> None:
    inbox = Inbox()
    inbox.feed(data)
    with pytest.raises(Unreadable, match=message):
        fed(inbox.text(), inbox, b"", 1)


def test_what_is_no_utf_8_is_replaced() -> None:
    inbox = Inbox()
    inbox.feed(struct.pack("<Q", 3) + b"a\xffb" + bytes(5))
    assert fed(inbox.text(), inbox, b"", 1)[0] == "a�b"
