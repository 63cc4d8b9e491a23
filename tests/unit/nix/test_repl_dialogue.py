from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.nix.repl import Done, Record, ReplDialogue, ReplEvent, Stuck, nix_json, nix_string


def said(dialogue: ReplDialogue, text: str) -> str:
    return f"trace: {dialogue.mark}{text}"


def answers(dialogue: ReplDialogue, *lines: str) -> list[ReplEvent]:
    return list(dialogue.read(lines))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", '"plain"'),
        ('a "quote"', '"a \\"quote\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("${not} an antiquotation", '"\\${not} an antiquotation"'),
        ("$ {two}", '"$ {two}"'),
        ("two\nlines\t", '"two\\nlines\\t"'),
    ],
)
def test_strings_are_quoted(text: str, expected: str) -> None:
    assert nix_string(text) == expected


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_in_a_command_is_one_line_of_ascii(value: object) -> None:
    text = nix_json(value)
    assert text.isascii()
    assert text.isprintable()
    assert "${" not in text.replace("\\${", "")
    unquoted = text[1:-1].replace("\\${", "${").replace('\\"', '"').replace("\\\\", "\\")
    assert json.loads(unquoted) == value


def test_a_command_reports_and_ends() -> None:
    dialogue = ReplDialogue()
    events = answers(
        dialogue,
        said(dialogue, '[1,0,"skip"]'),
        said(dialogue, '[1,1,"null"]'),
        said(dialogue, "done 1"),
        "error: syntax error, unexpected ')'",
        said(dialogue, "step 1"),
    )
    assert events == [Record(1, '0,"skip"]'), Record(1, '1,"null"]'), Done(1, "")]


def test_what_was_reported_is_decoded_when_it_is_looked_at() -> None:
    dialogue = ReplDialogue()
    [record] = answers(dialogue, said(dialogue, '[12,0,"meta",{"description":"a, \\"b\\", [c]"}]'))
    assert isinstance(record, Record)
    assert record.text == '0,"meta",{"description":"a, \\"b\\", [c]"}]'
    assert record.content == [0, "meta", {"description": 'a, "b", [c]'}]


def test_the_error_belongs_to_the_command_and_the_parenthesis_to_nobody() -> None:
    dialogue = ReplDialogue()
    events = answers(
        dialogue,
        "trace: a warning of a package that worked",
        said(dialogue, '[1,0,"skip"]'),
        "error: no",
        "",
        "       at here",
        said(dialogue, "done 1"),
        "error: syntax error, unexpected ')'",
        said(dialogue, "step 1"),
        said(dialogue, "done 2"),
    )
    assert events == [Record(1, '0,"skip"]'), Done(1, "error: no\n\n       at here"), Done(2, "")]


def test_a_command_that_swallowed_the_next_line_is_stuck() -> None:
    dialogue = ReplDialogue()
    events = answers(
        dialogue,
        said(dialogue, '[3,0,"skip"]'),
        said(dialogue, '[3,0,"skip"]'),
        "error: syntax error, unexpected ')'",
        said(dialogue, "step 3"),
        said(dialogue, "done 4"),
        said(dialogue, "step 4"),
    )
    assert events == [Record(3, '0,"skip"]'), Record(3, '0,"skip"]'), Stuck(3), Done(4, "")]


def test_marks_differ_so_that_nobody_can_imitate_them() -> None:
    one, two = ReplDialogue(), ReplDialogue()
    assert one.mark != two.mark
    assert answers(one, said(two, '[1,0,"skip"]'), "trace: done 1") == []
    assert "done 1" in one.rest()
    assert one.rest() == ""


def test_a_command_is_four_short_lines() -> None:
    dialogue = ReplDialogue()
    assert dialogue.command(7, "run 1") == b"run 1\nd 7\n)\ns 7\n"
    opening = dialogue.opening().decode().splitlines()
    assert [line.partition(" = ")[0] for line in opening] == ["d", "s"]
    assert all(dialogue.mark in line for line in opening)
