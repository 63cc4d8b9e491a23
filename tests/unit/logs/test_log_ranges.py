"""Lines of logs in every form, next to what plain Python says of the same bytes."""

from __future__ import annotations

import tracemalloc
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.logs.conftest import FORMS, stored, whole

from ekaci_core.logs import (
    SHOWN_LINE_BYTES,
    DamagedLog,
    LogFiles,
    SealedLog,
    chunks,
    lines_in,
    open_log,
    shown,
    start_of_last,
    start_of_line,
    tail,
)
from ekaci_core.logs.frames import FRAME_BYTES
from ekaci_core.logs.reading import Log
from ekaci_core.process.lines import Line

LINES = [b"%d %s" % (number, b"x" * (number % 97)) for number in range(30_000)]
FORMED = [b"\n".join(LINES), b"\n".join(LINES) + b"\n", b"\n" * 300_000, b"x" * 300_000]


def lines(log: Log, first: int, last: int | None) -> list[bytes]:
    end = None if last is None else start_of_line(log, last + 1)
    return [line.data for line in chain.from_iterable(lines_in(chunks(log, start_of_line(log, first), end)))]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("data", FORMED, ids=["unended", "ended", "empty lines", "one line"])
def test_every_form_gives_the_same_lines(tmp_path: Path, data: bytes, form: str) -> None:
    path = stored(tmp_path / "log", data, form)
    expected = data.removesuffix(b"\n").split(b"\n")
    with open_log(path) as log:
        for first, last in [
            (1, 1),
            (1, None),
            (2, 2),
            (15_000, 15_010),
            (29_999, 30_005),
            (30_001, None),
            (400_000, 1),
        ]:
            wanted = [line[:SHOWN_LINE_BYTES] for line in expected[first - 1 : last]]
            assert lines(log, first, last) == wanted, (first, last)
        for count in (0, 1, 2, 29_999, 30_000, 30_001, 10**6):
            assert data[start_of_last(log, count) :] == (
                b"\n".join(expected[-count:]) + (b"\n" if data.endswith(b"\n") else b"") if count else b""
            )
    assert tail(path, 3)[-1] == tail(path, 1)[0]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_read_is_what_was_written(tmp_path: Path, form: str) -> None:
    path = stored(tmp_path / "log", FORMED[0], form)

    @settings(max_examples=50)
    @given(st.integers(0, len(FORMED[0]) + 10), st.integers(0, 2 * FRAME_BYTES))
    def check(start: int, size: int) -> None:
        with open_log(path) as log:
            assert log.read(start, size) == FORMED[0][start : start + size]

    check()


def test_an_empty_log_has_no_lines(tmp_path: Path) -> None:
    path = stored(tmp_path / "log", b"", "plain")
    with open_log(path) as log:
        assert (lines(log, 1, None), start_of_last(log, 5)) == ([], 0)


def test_there_may_be_no_log(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_log(tmp_path / "log")
    assert LogFiles(tmp_path / "log").stored() is None


def test_a_line_is_found_without_decompressing_the_rest(tmp_path: Path) -> None:
    """Every frame but the line's own is overwritten: had it been read, it would have been noticed."""
    path = stored(tmp_path / "log", FORMED[0], "sealed")
    file = LogFiles(path).sealed
    with SealedLog(file) as log:
        index = log._index
    number = 15_000
    (own,) = {FORMED[0].index(b"\n" + LINES[number - 1]) // index.length}
    data = bytearray(file.read_bytes())
    for frame in set(range(len(index.frames))) - {own}:
        data[index.offsets[frame] : index.offsets[frame + 1]] = bytes(index.frames[frame].packed)
    file.write_bytes(data)
    with open_log(path) as log:
        assert lines(log, number, number) == [LINES[number - 1]]
        with pytest.raises(DamagedLog, match="frame 0 cannot be decompressed"):
            lines(log, 1, 1)
    with pytest.raises(DamagedLog):
        whole(path)


def test_a_sealed_log_that_is_damaged_is_said_and_where(tmp_path: Path) -> None:
    path = stored(tmp_path / "log", FORMED[0], "sealed")
    file = LogFiles(path).sealed
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DamagedLog, match="not as long as its index says") as raised:
        open_log(path)
    assert raised.value.where == str(file)


def test_a_line_of_100_mb_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(b"before\nA")
        file.seek(100_000_000)
        file.write(b"\nafter\n")
    tracemalloc.start()
    try:
        with open_log(path) as log:
            found = [(line.data[:6], len(line.data), line.cut) for batch in lines_in(chunks(log)) for line in batch]
            start_of_last(log, 2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [(b"before", 6, False), (b"A" + bytes(5), SHOWN_LINE_BYTES, True), (b"after", 5, False)]
    assert peak < 4 * 1024 * 1024


@given(
    st.text(alphabet=st.one_of(st.sampled_from("\x1b[]0;?\x07\r\x9bmAJ\\\u202e\x00 "), st.characters())), st.booleans()
)
def test_nothing_that_is_shown_can_do_anything(text: str, cut: bool) -> None:  # noqa: FBT001
    result = shown(Line(text.replace("\n", "").encode(errors="replace"), cut))
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in result.replace("\t", ""))
    assert "\u202e" not in result
    assert result.endswith("…") or not cut


BOMBS = {
    "sequences": b"\x1b[2J\x1b[999;999H" * 30_000,
    "unended": b"\x1b[" + b"0;" * 200_000,
    "titles": b"\x1b]0;" * 100_000,
    "introducers": b"\x1b" * 400_000,
    "rewritten": b"100 %\r" * 60_000,
    "intermediate": b"\x1b[" + b" " * 400_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.timeout(20)  # what takes a time that is not proportional takes minutes
def test_bombs_are_shown_in_no_time(tmp_path: Path, bomb: bytes) -> None:
    path = stored(tmp_path / "log", (bomb + b"\n") * 8, "sealed")
    with open_log(path) as log:
        text = "".join(shown(line) for line in chain.from_iterable(lines_in(chunks(log))))
    assert "\x1b" not in text
    assert "\x1b" not in "".join(tail(path))
