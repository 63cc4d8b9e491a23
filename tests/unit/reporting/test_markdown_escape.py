"""Checked by a CommonMark parser: whatever comes in shows as that text and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ekaci_core.reporting.clean import clean
from ekaci_core.reporting.markdown_escape import code, escape, fenced, html_code

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ANYTHING = st.text() | st.text(alphabet="`|\\<>&*_[]()!#@~:/.-+=1a \n\r\t\"'$^{}\x1b", max_size=40)


def shown(tokens: list[Token]) -> str:
    text = "".join(each.content for each in tokens if each.type in {"text", "code_inline", "text_special"})
    return text.replace("\u200b", "")


def paragraph(markdown: str) -> list[Token]:
    """Parse what must be one paragraph and return what is in it."""
    tokens = MARKDOWN.parse(markdown)
    assert [each.type for each in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    return tokens[1].children or []


def normal(text: str) -> str:
    return clean(text).strip().replace("\u200b", "")


@given(ANYTHING)
@example("1. list")
@example("- list")
@example("+ list")
@example("# title")
@example("=====")
@example("-----")
@example("> quote")
@example("***")
@example("<!-- comment")
@example("<script>alert(1)</script>")
@example("![image](https://example.org/x.png)")
@example("[link]: https://example.org")
@example("https://example.org www.example.org a@example.org")
@example("&lt; &#60; &nbsp;")
@example("back\\slash \\* \\|")
@example("~~struck~~")
def test_escaped_text_shows_as_itself(text: str) -> None:
    if not normal(text).strip():
        return
    children = paragraph(escape(text))

    assert {each.type for each in children} <= {"text", "text_special"}
    assert shown(children).split() == normal(text).split()


@given(ANYTHING, ANYTHING)
def test_a_table_row_keeps_its_cells(first: str, second: str) -> None:
    table = f"| a | b |\n| --- | --- |\n| {escape(first)} | {code(second)} |"
    tokens = MARKDOWN.parse(table)

    cells = [tokens[at + 1] for at, each in enumerate(tokens) if each.type == "td_open"]
    assert len(cells) == 2
    assert shown(cells[0].children or []).split() == normal(first).split()
    assert shown(cells[1].children or []).split() == normal(second).split()


@given(ANYTHING)
def test_code_shows_as_itself_wherever_it_stands(text: str) -> None:
    if not normal(text):
        return
    for made in (code(text), html_code(text)):
        children = paragraph(f"x {made} y")
        assert {each.type for each in children} <= {"text", "text_special", "code_inline", "html_inline"}
        assert {each.content for each in children if each.type == "html_inline"} <= {"<code>", "</code>"}
        assert shown(children).split() == ["x", *normal(text).split(), "y"]


@pytest.mark.parametrize("name", ["unbound-1.26.0", "python3Packages.requests", "a_b", "www.example", "1.0"])
def test_ordinary_names_stay_readable(name: str) -> None:
    assert code(name) == f"`{name}`"


@pytest.mark.parametrize("text", ["@everyone", "see #12", "owner/repo#12", "a@b"])
def test_nobody_is_mentioned_and_nothing_referred_to(text: str) -> None:
    rendered = MARKDOWN.renderInline(escape(text))

    assert not re.search(r"[@#]\w", rendered)
    assert rendered.replace("\u200b", "") == text


@given(st.lists(ANYTHING, min_size=1, max_size=5))
@example(["```", "````text", "~~~"])
@example(["</details>", "    indented"])
def test_a_log_cannot_leave_its_fence(lines: list[str]) -> None:
    tokens = MARKDOWN.parse("\n".join(["<details>", "", *fenced(lines), "", "</details>"]))

    assert [each.type for each in tokens] == ["html_block", "fence", "html_block"]
    assert tokens[1].content == "".join(f"{clean(line)}\n" for line in lines)
