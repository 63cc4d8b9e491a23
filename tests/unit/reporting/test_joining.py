"""What stands at a commit that several pull requests have."""

from __future__ import annotations

import itertools

import attrs
import pytest

from ekaci_core.model.check import Annotation, AnnotationLevel, Check, CheckButton, CheckStatus, Conclusion
from ekaci_core.model.forge import Branch
from ekaci_core.model.review import Occasion, ReviewState
from ekaci_core.reporting.joining import BUTTONS, joined
from ekaci_core.store.review import ReviewId, ReviewRecord
from ekaci_core.store.shared_checks import ReviewCheck
from ekaci_core.testing.store_forges import check, wish

MERGE = check(title="Merge", summary="Nothing speaks against it.", done=True)
NOT = attrs.evolve(MERGE, conclusion=Conclusion.FAILURE, title="Do not merge: a fails", summary="a fails", text="log")
WAIT = attrs.evolve(MERGE, conclusion=Conclusion.ACTION_REQUIRED, title="Wait", summary="b is not known")
RUNS = check(title="Building", summary="1 of 2 built")


def of(number: int, said: Check, base: str = "main") -> ReviewCheck:
    return ReviewCheck(
        ReviewRecord(ReviewId(number), wish(number=number, base=Branch(base)), ReviewState.DONE, 1, 1), said
    )


def test_one_alone_is_shown_as_it_is() -> None:
    assert joined([of(1, NOT)]) is NOT


def test_what_both_say_is_said_once() -> None:
    other = attrs.evolve(MERGE, external_id="review-2-1/x", details_url="https://ci.example.org/2", completed_at=9.0)
    assert joined([of(1, MERGE), of(2, other)]) == MERGE


@pytest.mark.parametrize(
    "worst_first", [(NOT, WAIT, MERGE), (NOT, RUNS, MERGE), (WAIT, RUNS, MERGE)], ids=lambda each: each[0].title
)
def test_the_worst_is_shown_in_whichever_order(worst_first: tuple[Check, ...]) -> None:
    for said in itertools.permutations(worst_first):
        shown = joined([of(number, each) for number, each in enumerate(said, 1)])
        worst = worst_first[0]
        assert (shown.status, shown.conclusion) == (worst.status, worst.conclusion)
        assert shown.title == f"{worst.title} (#{said.index(worst) + 1} into main)"


@pytest.mark.parametrize("conclusion", [each for each in Conclusion if each is not Conclusion.SUCCESS])
@pytest.mark.parametrize("status", [CheckStatus.QUEUED, CheckStatus.COMPLETED])
def test_success_is_shown_only_where_all_say_so(conclusion: Conclusion, status: CheckStatus) -> None:
    said = check(title="other", status=status, conclusion=conclusion if status is CheckStatus.COMPLETED else None)
    shown = joined([of(1, MERGE), of(2, said), of(3, MERGE)])
    assert (shown.status, shown.conclusion) != (CheckStatus.COMPLETED, Conclusion.SUCCESS)


def test_the_text_has_a_section_for_each() -> None:
    shown = joined([of(1, MERGE), of(2, NOT, "release`x`")])
    assert shown.title == "Do not merge: a fails (#2 into release`x`)"
    first, second = shown.summary.split("### ")[1:]
    assert first.startswith("Pull request #1 into `main`\n")
    assert "Nothing speaks against it." in first
    assert second.startswith("Pull request #2 into <code>release&#96;x&#96;</code>\n")
    assert "**Do not merge: a fails**" in second
    assert shown.text.count("log") == 1
    assert "main" not in shown.text


def test_a_merge_group_has_a_section_too() -> None:
    group = wish(number=None, occasion=Occasion.MERGE_GROUP)
    shown = joined([of(1, MERGE), ReviewCheck(ReviewRecord(ReviewId(2), group, ReviewState.DONE, 1, 1), NOT)])
    assert shown.title.endswith("(merge queue of main)")
    assert "### Merge queue of `main`" in shown.summary


def test_buttons_and_annotations_of_all_are_there_as_far_as_forges_take_them() -> None:
    note = Annotation("a.nix", 1, AnnotationLevel.FAILURE, "no")

    def said(number: int) -> Check:
        buttons = (CheckButton("Re-run", "", "again"), CheckButton("b", "", f"b{number}"))
        return attrs.evolve(NOT, title=str(number), annotations=(note,) * 20, buttons=buttons, started_at=10.0 - number)

    shown = joined([of(number, said(number)) for number in range(1, 5)])
    assert len(shown.annotations) == 50
    assert [each.identifier for each in shown.buttons] == ["again", "b1", "b2"]
    assert len(shown.buttons) == BUTTONS
    assert shown.started_at == 6.0


def test_very_long_texts_are_cut() -> None:
    long = attrs.evolve(NOT, summary="x" * 60_000, text="y" * 60_000)
    shown = joined([of(1, long), of(2, attrs.evolve(long, title="other"))])
    assert len(shown.summary) <= 65_535
    assert len(shown.text) <= 65_535
