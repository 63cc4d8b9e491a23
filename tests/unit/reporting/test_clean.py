import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.reporting.clean import LONGEST_LINE, clean, clean_lines


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        ("plain", ["plain"]),
        ("a\nb\r\nc", ["a", "b", "c"]),
        ("\x1b[1;31mred\x1b[0m", ["red"]),
        ("\x1b]0;title\x07text", ["text"]),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", ["link"]),
        ("\x9b31mred", ["red"]),
        ("\x1b(Bcharset", ["charset"]),
        ("unfinished \x1b[", ["unfinished"]),
        ("10 %\r100 %", ["100 %"]),
        ("done\r", ["done"]),
        ("a\tb", ["a       b"]),
        ("bell\x07 back\x08space\x00", ["bell backspace"]),
        ("admin\u202egnp.exe\u2066", ["admingnp.exe"]),
        ("lone \ud800 surrogate", ["lone \ufffd surrogate"]),
        ("separate\u2028lines", ["separate", "lines"]),
        ("trailing   ", ["trailing"]),
    ],
)
def test_clean_lines(raw: str, lines: list[str]) -> None:
    assert clean_lines(raw) == lines


def test_long_lines_are_cut() -> None:
    (line,) = clean_lines("x" * 10_000)

    assert len(line) == LONGEST_LINE
    assert line.endswith("x…")


def test_one_line_is_made_of_several() -> None:
    assert clean("a\n\n b\tc") == "a  b      c"


@given(st.text())
def test_nothing_unprintable_is_left_and_cleaning_twice_changes_nothing(text: str) -> None:
    line = clean(text)

    assert not [each for each in line if unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"}]
    assert clean(line) == line


@given(st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x20)))
def test_printable_ascii_is_left_alone(text: str) -> None:
    assert clean(text) == text
