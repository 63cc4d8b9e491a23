"""Checks and comments: shown once, within GitHub's limits, and what happens where they cannot be shown."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from tests.plugins.forge_github.conftest import (
    APP_ID,
    INSTALLATION,
    MovableClock,
    OpenForge,
    Says,
    SmallGitHub,
    Source,
    lease,
)
from tests.plugins.forge_github.payloads import HEAD

from ekaci_core.api import (
    Annotation,
    AnnotationLevel,
    Check,
    CheckButton,
    CheckStatus,
    CommitSha,
    Conclusion,
    InfrastructureFault,
    Published,
    PublishFailed,
    RepositoryId,
)
from ekaci_forge_github.check_body import cut, name_of
from ekaci_forge_github.faults import ApiFault
from ekaci_forge_github.forge import GitHubForge

pytestmark = pytest.mark.anyio

REPO = "/repos/octo-org/Hello-World"
RUNS, RUN, LIST = f"{REPO}/check-runs", f"{REPO}/check-runs/41", f"{REPO}/commits/{HEAD}/check-runs"
NOTES = f"{RUN}/annotations"
TOKENS = f"/app/installations/{INSTALLATION}/access_tokens"


@pytest.fixture
def here(github: SmallGitHub) -> RepositoryId:
    return RepositoryId.parse(github.host, "octo-org/Hello-World")


@pytest.fixture
def check(here: RepositoryId, github: SmallGitHub) -> Check:
    github.on("GET", LIST, Says({"total_count": 0, "check_runs": []}))
    github.on("POST", RUNS, Says({"id": 41}, 201))
    github.on("PATCH", RUN, Says({"id": 41}))
    github.on("GET", NOTES, Says([]))
    return Check(
        repository=here,
        sha=CommitSha(HEAD),
        context="EkaCI: Verdict",
        status=CheckStatus.IN_PROGRESS,
        title="Building",
        summary="2 of 3",
        external_id="ekaci:1",
        started_at=1557933633.9,
        details_url="https://ci.example.org/1",
    )


async def test_a_check_is_made_and_then_changed(github: SmallGitHub, forge: GitHubForge, check: Check) -> None:
    assert await forge.publish(check, None) == Published("41")
    (made,) = github.asked("POST", RUNS)
    assert made.document == {
        "name": "EkaCI: Verdict",
        "head_sha": HEAD,
        "status": "in_progress",
        "external_id": "ekaci:1",
        "details_url": "https://ci.example.org/1",
        "started_at": "2019-05-15T15:20:33Z",
        "output": {"title": "Building", "summary": "2 of 3"},
        "actions": [],
    }
    (looked,) = github.asked("GET", LIST)
    assert looked.query == {"check_name": "EkaCI: Verdict", "filter": "all", "per_page": "100", "app_id": APP_ID}
    done = attrs.evolve(
        check,
        status=CheckStatus.COMPLETED,
        conclusion=Conclusion.FAILURE,
        completed_at=1557933640.0,
        text="`hello` failed",
    )
    assert await forge.publish(done, "41") == Published("41")
    (changed,) = github.asked("PATCH", RUN)
    assert "head_sha" not in changed.document
    assert changed.document["conclusion"] == "failure"
    assert changed.document["completed_at"] == "2019-05-15T15:20:40Z"
    assert changed.document["output"]["text"] == "`hello` failed"
    assert github.asked("POST", TOKENS)[0].document["permissions"] == {"checks": "write"}
    assert len(github.asked("GET", LIST)) == 1


async def test_a_check_whose_answer_was_lost_is_found(github: SmallGitHub, forge: GitHubForge, check: Check) -> None:
    others = [{"id": 39, "external_id": "another"}, {"id": 40, "external_id": "ekaci:1"}]
    second = {"check_runs": [{"id": 41, "external_id": "ekaci:1"}]}
    following = {"Link": f'<{github.url}{LIST}?page=2>; rel="next"'}
    github.on("GET", LIST, Says({"check_runs": others}, fields=following), Says(second))
    assert await forge.publish(check, None) == Published("41")
    assert not github.asked("POST", RUNS)
    assert len(github.asked("PATCH", RUN)) == 1


@pytest.mark.parametrize("summary", ["", " \r\n"])
async def test_a_summary_is_never_empty(github: SmallGitHub, forge: GitHubForge, check: Check, summary: str) -> None:
    await forge.publish(attrs.evolve(check, summary=summary), "41")
    assert github.asked("PATCH", RUN)[0].document["output"]["summary"] == "Building"


def test_a_name_that_is_too_long_stays_its_own() -> None:
    names = {name_of("a" * 400 + last) for last in "bc"}
    assert len(names) == 2
    assert all(len(name) <= 255 for name in names)
    assert name_of("hello / New (ci)") == "hello / New (ci)"
    assert name_of("a\nb") == "a b"


@pytest.mark.parametrize("conclusion", Conclusion)
async def test_every_conclusion_has_its_word(
    github: SmallGitHub, forge: GitHubForge, check: Check, conclusion: Conclusion
) -> None:
    await forge.publish(attrs.evolve(check, status=CheckStatus.COMPLETED, conclusion=conclusion), "41")
    # https://docs.github.com/en/rest/checks/runs#create-a-check-run
    words = {"action_required", "cancelled", "failure", "neutral", "success", "timed_out"}
    assert github.asked("PATCH", RUN)[0].document["conclusion"] in words


async def test_an_unfinished_check_has_no_conclusion(github: SmallGitHub, forge: GitHubForge, check: Check) -> None:
    await forge.publish(attrs.evolve(check, conclusion=Conclusion.SUCCESS, completed_at=1.0), "41")
    assert {"conclusion", "completed_at"} & github.asked("PATCH", RUN)[0].document.keys() == set()


async def test_a_check_that_is_done_without_a_conclusion_is_not_shown(
    github: SmallGitHub, forge: GitHubForge, check: Check
) -> None:
    answer = await forge.publish(attrs.evolve(check, status=CheckStatus.COMPLETED), None)
    assert answer == PublishFailed("the check is completed and has no conclusion")
    assert github.seen == []


@pytest.mark.parametrize("filling", ["x", "ü", "漢", "🦀"])
async def test_texts_are_cut_on_a_character_and_say_so(
    github: SmallGitHub, forge: GitHubForge, check: Check, filling: str
) -> None:
    await forge.publish(attrs.evolve(check, summary=filling * 70_000, text=filling * 70_000, title="t" * 999), "41")
    output = github.asked("PATCH", RUN)[0].document["output"]
    for text in (output["summary"], output["text"]):
        assert 65_000 < len(text.encode()) <= 65_535
        assert "bytes do not fit" in text
        assert text.startswith(filling * 10)
    assert len(output["title"]) == 255


def test_a_text_that_fits_is_left_alone() -> None:
    assert cut("x" * 65_535, 65_535) == "x" * 65_535
    assert cut("ü" * 32_767, 65_535) == "ü" * 32_767


def test_a_log_that_is_cut_is_closed_before_the_mark() -> None:
    text = cut("# Log\n```\n" + "line\n" * 20_000 + "```\n", 65_535)
    log, _, mark = text.rpartition("\n```")
    assert log.endswith("line")
    assert "do not fit" in mark


def test_what_is_no_text_is_replaced() -> None:
    assert cut("a\x00b\ud800c\td\n", 100) == "a\ufffdb\ufffdc\td\n"


async def test_buttons_fit(github: SmallGitHub, forge: GitHubForge, check: Check) -> None:
    buttons = tuple(CheckButton("Approve this commit now", "d" * 41, f"approve-{n}") for n in range(4))
    await forge.publish(attrs.evolve(check, buttons=buttons), "41")
    actions = github.asked("PATCH", RUN)[0].document["actions"]
    assert [each["identifier"] for each in actions] == ["approve-0", "approve-1", "approve-2"]
    assert all(len(each["label"]) <= 20 and len(each["description"]) <= 40 for each in actions)
    too_long = (CheckButton("Approve", "", "a" * 21),)
    answer = await forge.publish(attrs.evolve(check, buttons=too_long), "41")
    assert isinstance(answer, PublishFailed)
    assert answer.retry_after_seconds is None


def annotated(check: Check, count: int) -> Check:
    notes = tuple(Annotation("a.nix", n, AnnotationLevel.FAILURE, f"error {n}", "bad") for n in range(1, count + 1))
    return attrs.evolve(check, annotations=notes)


def lines(asked: Any) -> list[int]:
    return [each["start_line"] for each in asked.document["output"].get("annotations", [])]


async def test_annotations_go_in_fifties(github: SmallGitHub, forge: GitHubForge, check: Check) -> None:
    assert await forge.publish(annotated(check, 120), None) == Published("41")
    assert lines(github.asked("POST", RUNS)[0]) == list(range(1, 51))
    assert [lines(each) for each in github.asked("PATCH", RUN)] == [list(range(51, 101)), list(range(101, 121))]
    first = github.asked("POST", RUNS)[0].document["output"]["annotations"][0]
    assert first == {
        "path": "a.nix",
        "start_line": 1,
        "end_line": 1,
        "annotation_level": "failure",
        "message": "error 1",
        "title": "bad",
    }


async def test_annotations_are_not_shown_twice(github: SmallGitHub, forge: GitHubForge, check: Check) -> None:
    there: list[dict[str, Any]] = [
        {"path": "a.nix", "start_line": n, "end_line": n, "annotation_level": "failure", "title": "bad"}
        | {"message": f"error {n}", "blob_href": "", "raw_details": None}
        for n in (1, 2)
    ]
    github.on("GET", NOTES, Says(there))
    await forge.publish(annotated(check, 3), "41")
    assert [lines(each) for each in github.asked("PATCH", RUN)] == [[3]]


async def test_a_check_run_that_is_gone_is_forgotten(github: SmallGitHub, forge: GitHubForge, check: Check) -> None:
    github.on("PATCH", RUN, Says({"message": "Not Found"}, 404))
    answer = await forge.publish(check, "41")
    assert isinstance(answer, PublishFailed)
    assert answer.forget
    assert answer.retry_after_seconds is not None
    for remote in ("../1", "", "x", "0", "9" * 30, "\u0663"):
        answer = await forge.publish(check, remote)
        assert isinstance(answer, PublishFailed)
        assert answer.forget


@pytest.mark.parametrize(
    ("status", "seconds"),
    [(403, None), (404, None), (409, 15), (410, None), (422, None), (500, 15), (502, 15), (401, 60)],
)
async def test_what_refuses_a_check(
    github: SmallGitHub, forge: GitHubForge, check: Check, status: int, seconds: float | None
) -> None:
    github.on("POST", RUNS, Says({"message": "No commit found for SHA"}, status))
    answer = await forge.publish(check, None)
    assert isinstance(answer, PublishFailed)
    assert answer.retry_after_seconds == seconds
    assert not answer.forget
    assert f"{status}: No commit found for SHA" in answer.reason
    # A write is not repeated by itself; only a token that is refused is made anew, once.
    assert len(github.asked("POST", RUNS)) == (2 if status == 401 else 1)


@pytest.mark.parametrize("answer", [Says({"message": "?"}), Says(raw=b"<html>"), Says([]), Says({"id": "x"}, 201)])
async def test_an_answer_that_is_none_is_asked_for_again(
    github: SmallGitHub, forge: GitHubForge, check: Check, answer: Says
) -> None:
    github.on("POST", RUNS, answer)
    failed = await forge.publish(check, None)
    assert isinstance(failed, PublishFailed)
    assert failed.retry_after_seconds == 15


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Says({"message": "x"}, 429, {"Retry-After": "17"}), 17),
        (Says({"message": "x"}, 403, {"Retry-After": "17"}), 17),
        (Says({"message": "You have exceeded a secondary rate limit."}, 403), 60),
        (Says({"message": "x"}, 429), 60),
        (Says({"message": "x"}, 503, {"Retry-After": "5"}), 5),
    ],
)
async def test_a_pause_that_is_asked_for_is_told(
    github: SmallGitHub, forge: GitHubForge, check: Check, answer: Says, seconds: float
) -> None:
    github.on("POST", RUNS, answer)
    failed = await forge.publish(check, None)
    assert isinstance(failed, PublishFailed)
    assert failed.retry_after_seconds == seconds
    assert failed.limited == (answer.status < 500), "the whole account is to be left alone"


async def test_nothing_is_sent_while_github_wants_quiet(
    github: SmallGitHub, forge: GitHubForge, check: Check, clock: MovableClock
) -> None:
    github.on("POST", RUNS, Says({"message": "x"}, 429, {"Retry-After": "60"}), Says({"id": 41}, 201))
    await forge.publish(check, None)
    sent = len(github.seen)
    waiting = await forge.publish(check, None)
    assert isinstance(waiting, PublishFailed)
    assert waiting.retry_after_seconds is not None
    assert 50 < waiting.retry_after_seconds <= 60
    assert len(github.seen) == sent
    clock.ahead = 61
    assert await forge.publish(check, None) == Published("41")


async def test_a_token_that_is_refused_is_made_anew(github: SmallGitHub, forge: GitHubForge, check: Check) -> None:
    github.on("POST", RUNS, Says({"message": "Bad credentials"}, 401), Says({"id": 41}, 201))
    assert await forge.publish(check, None) == Published("41")
    assert len(github.asked("POST", TOKENS)) == 2


async def test_while_the_key_cannot_be_had_it_is_tried_again(
    github: SmallGitHub, open_forge: OpenForge, check: Check, source: Source, clock: MovableClock
) -> None:
    source.leases = [lease(github.pem, expires_at=clock.now() + 600), InfrastructureFault("the vault is sealed")]
    async with open_forge() as forge:
        clock.ahead = 610
        assert await forge.publish(check, None) == PublishFailed("the vault is sealed", 60)
        source.leases = [lease(github.pem)]
        assert await forge.publish(check, None) == Published("41")


COMMENTS = f"{REPO}/issues/2/comments"


async def test_a_comment_is_written_and_changed(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    github.on("POST", COMMENTS, Says({"id": 5}, 201))
    github.on("PATCH", f"{REPO}/issues/comments/5", Says({"id": 5}), Says({"message": "Not Found"}, 404))
    assert await forge.comment(here, 2, "Hello", None) == Published("5")
    assert await forge.comment(here, 2, "x" * 70_000, "5") == Published("5")
    assert github.asked("POST", COMMENTS)[0].document == {"body": "Hello"}
    assert len(github.asked("PATCH")[0].document["body"]) <= 65_535
    gone = await forge.comment(here, 2, "Hello", "5")
    assert isinstance(gone, PublishFailed)
    assert gone.forget
    assert github.asked("POST", TOKENS)[0].document["permissions"] == {"pull_requests": "write"}


async def test_an_app_that_may_only_write_issues_comments_too(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    github.on("POST", TOKENS, Says({"message": "not granted"}, 422), github.token())
    github.on("POST", COMMENTS, Says({"id": 5}, 201))
    assert await forge.comment(here, 2, "Hello", None) == Published("5")
    assert github.asked("POST", TOKENS)[1].document["permissions"] == {"issues": "write"}


async def test_a_thumb_answers_a_comment(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    github.on("POST", f"{REPO}/issues/comments/5/reactions", Says({"id": 1}, 201), Says({"id": 1}, 200))
    await forge.react(here, 5, accepted=True)
    await forge.react(here, 5, accepted=False)
    assert [each.document for each in github.asked("POST", f"{REPO}/issues/comments/5/reactions")] == [
        {"content": "+1"},
        {"content": "-1"},
    ]
    await forge.react(here, 6, accepted=True)  # gone
    github.on("POST", f"{REPO}/issues/comments/7/reactions", Says({"message": "no"}, 403))
    with pytest.raises(ApiFault):
        await forge.react(here, 7, accepted=True)
