"""What the one comment on a pull request says, at forges that show no texts of checks."""

from __future__ import annotations

import attrs
import pytest

from ekaci_core.api import CheckStatus, CommitSha, Conclusion, RepositoryId
from ekaci_core.intake.comment_command import parse_comment
from ekaci_core.model.check import COMMENT_MARK
from ekaci_core.reporting import checks
from ekaci_core.reporting.comment import comment_of

SUBJECT = checks.Subject(
    RepositoryId.parse("forge.example.org", "owner/packages"),
    CommitSha.parse("b" * 40),
    "review-7-1",
    began_at=100.0,
    now=160.0,
    url="https://ci.example.org/reviews/7",
)
VERDICT = SUBJECT.completed(checks.VERDICT, Conclusion.SUCCESS, "Merge", "Nothing speaks against it.")
SUMMARY = SUBJECT.completed(checks.SUMMARY, Conclusion.NEUTRAL, "2 packages changed", "## Merge\n\nall the tables")


def test_nothing_is_said_before_there_is_a_verdict() -> None:
    assert comment_of(7, []) is None
    assert comment_of(7, [SUMMARY]) is None


def test_progress_is_said_with_the_words_of_the_verdict() -> None:
    (waiting,) = checks.queued(SUBJECT)
    made = comment_of(7, [waiting])
    assert made is not None
    assert made.comment_on == 7
    assert made.status is CheckStatus.QUEUED, "its end goes before it, and its progress comes at growing intervals"
    assert made.text.startswith(COMMENT_MARK)
    assert "## Waiting to begin" in made.text
    assert "https://ci.example.org/reviews/7" in made.text
    assert "bbbbbbbbbbbb" in made.text


def test_the_end_is_the_summary_with_the_verdict_in_it() -> None:
    made = comment_of(7, [SUMMARY, VERDICT])
    assert made is not None
    assert made.status is CheckStatus.COMPLETED
    assert "all the tables" in made.text
    assert made.text.count("## Merge") == 1


def test_the_summary_of_an_earlier_round_is_not_the_end_of_this_one() -> None:
    again = attrs.evolve(SUBJECT, key="review-7-2")
    refused = checks.misconfigured(again, "jobs.a.file: wanted a string", "correct it")
    made = comment_of(7, [SUMMARY, *refused])
    assert made is not None
    assert "all the tables" not in made.text
    assert "wanted a string" in made.text


def test_the_same_at_another_time_is_the_same() -> None:
    later = attrs.evolve(VERDICT, completed_at=999.0, started_at=500.0)
    assert comment_of(7, [SUMMARY, VERDICT]) == comment_of(7, [SUMMARY, later])


def test_its_own_entry_is_no_part_of_it() -> None:
    made = comment_of(7, [SUMMARY, VERDICT])
    assert made is not None
    assert comment_of(7, [SUMMARY, VERDICT, made]) == made


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_it_fits_everywhere(letter: str) -> None:
    made = comment_of(7, [attrs.evolve(SUMMARY, summary=letter * 90_000), VERDICT])
    assert made is not None
    assert len(made.text.encode()) <= 65_535
    assert made.text.endswith("has it reviewed again"), "the end is not what is cut"


def test_no_line_of_it_is_a_command() -> None:
    for texts in ([SUMMARY, VERDICT], [*checks.waiting_for_approval(SUBJECT, "mallory", has_buttons=False)]):
        made = comment_of(7, texts)
        assert made is not None
        assert parse_comment(made.text) is None


def test_where_there_is_no_button_none_is_spoken_of() -> None:
    for check in checks.waiting_for_approval(SUBJECT, "mallory", has_buttons=False):
        assert "button" not in check.summary
        assert "/ekaci approve" in check.summary
