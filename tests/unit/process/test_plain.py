from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.process.plain import plain, plain_text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31;1merror:\x1b[0m no", "error: no"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(Btext\x1b=", "text"),
        ("10%\r50%\r100%", "100%"),
        ("windows line\r", "windows line"),
        ("tab\tstays", "tab\tstays"),
        ("bell\x07 nul\x00 del\x7f c1\x9b1m", "bell nul del c1"),
        ("right\u202eleft", "rightleft"),
        ("cut in an escape \x1b[", "cut in an escape "),
        ("ünïcode 漢字", "ünïcode 漢字"),
    ],
)
def test_what_is_shown(line: str, shown: str) -> None:
    assert plain(line) == shown


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    assert not any(character < " " and character != "\t" for character in plain(text))
    assert "\x1b" not in plain_text(text)


def test_overlong_lines_are_cut() -> None:
    shown = plain("x" * 1_000_000)
    assert len(shown) < 10_000
    assert shown.endswith("…")


def test_lines_of_a_text_stay_lines() -> None:
    assert plain_text("one\x1b[0m\ntwo\r\n") == "one\ntwo\n"
