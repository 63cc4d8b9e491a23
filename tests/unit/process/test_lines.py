from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.process.lines import Line, LineSplitter


def split(chunks: list[bytes], limit: int = 10) -> list[Line]:
    splitter = LineSplitter(limit)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()


@given(st.lists(st.binary(max_size=30)))
def test_lines_do_not_depend_on_how_the_bytes_came(chunks: list[bytes]) -> None:
    assert split(chunks) == split([b"".join(chunks)])


@given(st.lists(st.text("abc\n", max_size=30).map(str.encode)))
def test_nothing_is_lost_when_lines_are_short(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    lines = split(chunks, limit=1000)
    assert b"\n".join(line.data for line in lines) == whole.removesuffix(b"\n")
    assert not any(line.cut for line in lines)


@pytest.mark.parametrize("chunks", [[b"0123456789ABC\nnext\n"], [b"012345", b"6789A", b"BC\nne", b"xt\n"]])
def test_a_long_line_is_cut_and_says_so(chunks: list[bytes]) -> None:
    assert split(chunks) == [Line(b"0123456789", cut=True), Line(b"next")]


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    assert split([b"0123456789\n0123456789"]) == [Line(b"0123456789"), Line(b"0123456789")]


def test_what_is_over_the_limit_is_not_held() -> None:
    splitter = LineSplitter(10)
    for _ in range(1000):
        splitter.feed(b"x" * 1000)
    assert sum(len(part) for part in splitter._begun) == 10


def test_text_shows_what_is_not_utf8() -> None:
    assert Line(b"caf\xc3\xa9 \xff").text == "café \ufffd"
