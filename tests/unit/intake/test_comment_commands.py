from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.intake.comment_command import Approve, Retry, parse_comment

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("@eka-ci approve", Approve()),
        ("/ekaci approve", Approve()),
        ("/eka-ci approve", Approve()),
        ("@EKA-CI Approve", Approve()),
        ("  \t@eka-ci   approve   please", Approve()),
        ("LGTM\r\n\r\n@eka-ci approve\r\nthanks", Approve()),
        (f"@eka-ci approve {SHA}", Approve(SHA)),
        ("/ekaci approve 0123ABC", Approve("0123abc")),
        ("/ekaci approve 0123ab", Approve()),
        ("@eka-ci retry", Retry()),
        ("/ekaci rebuild", Retry()),
        ("/ekaci RERUN now", Retry()),
        ("@eka-ci dance\n@eka-ci retry\n@eka-ci approve", Retry()),
        ("```\n@eka-ci approve\n```\n/ekaci retry", Retry()),
        ("````\n```\n@eka-ci approve\n````", None),
        ("cc @eka-ci approve", None),
        ("> @eka-ci approve", None),
        ("`@eka-ci approve`", None),
        ("@eka-ci", None),
        ("@eka-ci\napprove", None),
        ("@eka-ci, approve", None),
        ("@eka-ci-bot approve", None),
        ("@eka-ci approved", None),
        ("@eka-ci merge", None),
        ("/ekaciapprove", None),
        ("//ekaci approve", None),
        ("", None),
        ("\x00\x1b[31m", None),
        ("x" * 70_000 + "\n@eka-ci approve", None),
    ],
)
def test_the_first_line_that_is_a_command_counts(body: str, command: object) -> None:
    assert parse_comment(body) == command


@given(st.text())
def test_nothing_that_people_write_is_a_fault(body: str) -> None:
    parse_comment(body)
    parse_comment(f"@eka-ci {body}")
