import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.verdict import Decision, Reason, Verdict
from ekaci_core.reporting.text_page import Page, Tone, Toned, columns_of, shortened, verdict_line


def test_columns_are_aligned() -> None:
    assert Page(80).rows([("a", "1", "x"), ("long", "22", "y")]) == ["  a     1   x", "  long  22  y"]


def test_one_long_cell_does_not_push_the_others_apart() -> None:
    lines = Page(40).rows([("a", "x"), ("b" * 30, "y"), ("cc", "z")])

    assert lines == ["  a   x", "  " + "b" * 30 + "  y", "  cc  z"]


def test_only_the_last_cell_is_cut() -> None:
    (line,) = Page(40).rows([("name", "w" * 60)])

    assert line == "  name  " + "w" * 31 + "…"
    assert Page(None).rows([("name", "w" * 60)]) == ["  name  " + "w" * 60]


def test_tones_do_not_change_the_alignment() -> None:
    page = Page(80, lambda text, tone: f"<{tone.value}:{text}>")

    assert page.rows([(Toned("a", Tone.BAD), "x"), ("bb", "y")]) == ["  <bad:a>   x", "  bb  y"]
    assert page.rows([(Toned("", Tone.BAD), "x")]) == ["    x"]


def test_sentences_are_wrapped_below_themselves() -> None:
    assert Page(40).wrapped("word " * 12, indent="  • ") == [
        "  • word word word word word word word",
        "    word word word word word",
    ]


def test_log_lines_are_folded_and_nothing_is_lost() -> None:
    line = "".join(chr(ord("a") + at % 26) for at in range(100))

    lines = Page(46).quoted([line, ""])

    assert [each[:6] for each in lines] == ["    │ "] * 3 + ["    │"]
    assert "".join(each[6:] for each in lines) == line


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("é", 1), ("e\N{COMBINING ACUTE ACCENT}", 1)])
def test_columns(text: str, columns: int) -> None:
    assert columns_of(text) == columns


@given(st.text(), st.integers(2, 30))
def test_shortened_texts_fit(text: str, room: int) -> None:
    short = shortened(text, room)

    assert columns_of(short) <= room
    assert short == text or short.endswith("…")


@pytest.mark.parametrize(
    ("decision", "attention", "text"),
    [
        (Decision.MERGE, False, "✓ merge: because"),
        (Decision.WAIT, False, "… wait: because"),
        (Decision.DO_NOT_MERGE, True, "✗ do not merge: because (needs attention)"),
    ],
)
def test_the_verdict_in_one_line(decision: Decision, *, attention: bool, text: str) -> None:
    reasons = (Reason(decision, "because"), Reason(decision, "and so on"))

    assert verdict_line(Verdict(decision, attention, reasons)) == text


def test_a_long_reason_is_cut_to_the_width() -> None:
    verdict = Verdict(Decision.WAIT, attention=True, reasons=(Reason(Decision.WAIT, "x" * 200),))

    line = verdict_line(verdict, width=60)

    assert len(line) == 60
    assert line.endswith("x… (needs attention)")
