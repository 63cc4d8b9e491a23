"""Checks as statuses, and what is asked before more is sent."""

from __future__ import annotations

import pytest

from ekaci_core.api import Check, CheckStatus, CommitSha, Conclusion, RepositoryId
from ekaci_forge_gitea.limits import UNKNOWN_SECONDS, pause_after
from ekaci_forge_gitea.statuses import Unpublishable, context_of, cut, status_of

NOW = 1_800_000_000.0


def check(conclusion: Conclusion | None = None, **changes: str | None) -> Check:
    status = CheckStatus.COMPLETED if conclusion else CheckStatus.IN_PROGRESS
    where = RepositoryId("gitea.example.org", "octo/packages")
    made = {"context": "EkaCI: Verdict", "title": "Merge", "details_url": "https://ci.example.org/reviews/7", **changes}
    return Check(where, CommitSha("b" * 40), str(made["context"]), status, conclusion, str(made["title"]),
                 details_url=made["details_url"])  # fmt: skip


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [
        (None, "pending"),
        (Conclusion.SUCCESS, "success"),
        (Conclusion.NEUTRAL, "success"),
        (Conclusion.FAILURE, "failure"),
        (Conclusion.TIMED_OUT, "failure"),
        (Conclusion.CANCELLED, "error"),
        (Conclusion.ACTION_REQUIRED, "pending"),
    ],
)
def test_every_end_has_a_state(conclusion: Conclusion | None, state: str) -> None:
    assert status_of(check(conclusion)).state == state


def test_an_end_without_a_conclusion_cannot_be_shown() -> None:
    broken = Check(RepositoryId("h.example", "a/b"), CommitSha("b" * 40), "x", CheckStatus.COMPLETED)
    with pytest.raises(Unpublishable):
        status_of(broken)


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_descriptions_and_names_fit(letter: str) -> None:
    made = status_of(check(Conclusion.SUCCESS, title=letter * 300, context=letter * 300))
    assert len(made.description) == 255
    assert made.description.endswith("…")
    assert len(made.context) <= 255
    assert status_of(check(title=letter * 255)).description == letter * 255


def test_long_names_stay_apart() -> None:
    assert context_of("x" * 300 + "a") != context_of("x" * 300 + "b")
    assert context_of("  \n ") == "EkaCI"
    assert context_of("a\nb") == "a b"


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "file:///etc/passwd"])
def test_only_pages_are_linked(url: str | None) -> None:
    assert status_of(check(details_url=url)).target_url == ""


def test_a_text_is_cut_between_characters_and_says_so() -> None:
    whole = "é" * 40_000
    text = cut(whole)
    assert len(text.encode()) <= 65_535
    kept = text.partition("\n\n*Cut here: ")[0]
    assert text.endswith(f"*Cut here: {2 * (len(whole) - len(kept))} more bytes do not fit.*\n")
    assert cut("short") == "short"


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (429, {"retry-after": "37"}, 37.0),
        (503, {"retry-after": "37"}, 37.0),
        (403, {"retry-after": "37"}, 37.0),
        (429, {"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60.0),
        (429, {"retry-after": "99999999"}, 3600.0),
        (429, {"retry-after": "0"}, 1.0),
        (429, {"retry-after": "soon"}, UNKNOWN_SECONDS),
        (429, {"x-ratelimit-reset": str(int(NOW) + 20)}, 20.0),
        (429, {"ratelimit-reset": "20"}, 20.0),
        (429, {}, UNKNOWN_SECONDS),
        (403, {}, None),
        (500, {}, None),
        (200, {"retry-after": "37"}, None),
    ],
)
def test_how_long_to_wait(status: int, fields: dict[str, str], expected: float | None) -> None:
    assert pause_after(status, fields, NOW) == expected
