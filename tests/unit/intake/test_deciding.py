from __future__ import annotations

import attrs
import pytest

from ekaci_core.intake.command import (
    ApproveCommit,
    AskReview,
    CloseReviews,
    Command,
    Ignore,
    NoteInstalled,
    NotePullRequest,
    NoteUninstalled,
    React,
    RenameRepository,
    RunAgain,
)
from ekaci_core.intake.deciding import decide
from ekaci_core.intake.facts import Facts, Standing
from ekaci_core.intake.policy import IntakePolicy
from ekaci_core.model.check import COMMENT_MARK
from ekaci_core.model.forge import Branch, Permission, Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.model.forge_event import (
    BranchPushed,
    CheckActionRequested,
    CommentCreated,
    InstallationAction,
    InstallationChanged,
    MergeGroupAction,
    MergeGroupChanged,
    Opinion,
    Ping,
    PullRequestAction,
    PullRequestChanged,
    PullRequestReviewed,
    RepositoryAction,
    RepositoryChanged,
    RerunRequested,
    WorkflowRequested,
)
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish

REPOSITORY = RepositoryId.parse("forge.example", "org/repo")
OTHER = RepositoryId.parse("forge.example", "org/other")
MAIN, TOPIC = Branch.parse("main"), Branch.parse("topic")
BASE, HEAD, NEWER = CommitSha.parse("b" * 40), CommitSha.parse("a" * 40), CommitSha.parse("c" * 40)
ANN, BOB = Person("ann", 1), Person("bob", 2)
PULL = PullRequest(
    repository=REPOSITORY,
    number=7,
    title="A change",
    author=ANN,
    state=PullRequestState.OPEN,
    draft=False,
    base=MAIN,
    base_sha=BASE,
    head=TOPIC,
    head_sha=HEAD,
    head_repository=OTHER,
    updated_at=1000,
)
WISH = ReviewWish(
    repository=REPOSITORY,
    occasion=Occasion.PULL_REQUEST,
    number=7,
    base=MAIN,
    base_sha=None,
    head_sha=HEAD,
    ref="refs/pull/7/head",
    trusted=False,
    author="ann",
)
FACTS = Facts(host="forge.example", instance="app", ref="refs/pull/7/head")
OPEN_TO_ALL, GUARDED = IntakePolicy(), IntakePolicy(require_approval=True)
QUEUE_GUARDED = IntakePolicy(merge_queue_require_approval=True)
WRITER = Standing(permission=Permission.WRITE)
ASKING = ("OPENED", "SYNCHRONIZED", "REOPENED", "READY", "RETARGETED", "ENQUEUED")


def changed(action: PullRequestAction, pull: PullRequest = PULL) -> PullRequestChanged:
    return PullRequestChanged(action, pull, BOB)


def asked(commands: tuple[Command, ...]) -> AskReview:
    (ask,) = (each for each in commands if isinstance(each, AskReview))
    return ask


@pytest.mark.parametrize("action", [PullRequestAction[name] for name in ASKING])
@pytest.mark.parametrize("draft", [True, False])
def test_a_pull_request_with_something_new_is_noted_and_reviewed(action: PullRequestAction, *, draft: bool) -> None:
    pull = attrs.evolve(PULL, draft=draft)
    again = action is PullRequestAction.RETARGETED
    assert decide(changed(action, pull), FACTS, OPEN_TO_ALL) == (
        NotePullRequest(pull),
        AskReview(WISH, ReviewState.QUEUED, again),
    )


@pytest.mark.parametrize("action", [PullRequestAction.EDITED, PullRequestAction.DEQUEUED])
def test_what_changes_nothing_to_build_is_only_noted(action: PullRequestAction) -> None:
    assert decide(changed(action), FACTS, OPEN_TO_ALL) == (NotePullRequest(PULL),)


def test_what_becomes_a_draft_is_given_up_and_asked_for_again_when_it_is_ready() -> None:
    note, close = decide(changed(PullRequestAction.DRAFTED), FACTS, OPEN_TO_ALL)
    assert note == NotePullRequest(PULL)
    assert close == CloseReviews(REPOSITORY, "it became a draft", number=7)
    assert asked(decide(changed(PullRequestAction.READY), FACTS, OPEN_TO_ALL)).state is ReviewState.QUEUED


@pytest.mark.parametrize(("state", "how"), [(PullRequestState.CLOSED, "closed"), (PullRequestState.MERGED, "merged")])
@pytest.mark.parametrize("served", [True, False])
def test_a_closed_pull_request_is_noted_and_given_up(state: PullRequestState, how: str, *, served: bool) -> None:
    pull = attrs.evolve(PULL, state=state)
    facts = attrs.evolve(FACTS, served=served)
    expected = (NotePullRequest(pull), CloseReviews(REPOSITORY, f"the pull request was {how}", number=7))
    assert decide(changed(PullRequestAction.CLOSED, pull), facts, OPEN_TO_ALL) == expected
    assert decide(changed(PullRequestAction.SYNCHRONIZED, pull), facts, OPEN_TO_ALL) == expected


def test_a_new_base_is_asked_about_though_the_commit_is_known() -> None:
    pull = attrs.evolve(PULL, base=Branch.parse("release/1"))
    ask = asked(decide(changed(PullRequestAction.RETARGETED, pull), FACTS, OPEN_TO_ALL))
    assert (ask.wish.base, ask.again) == ("release/1", True)


def test_what_is_not_configured_is_left_alone() -> None:
    facts = attrs.evolve(FACTS, served=False)
    (ignore,) = decide(changed(PullRequestAction.OPENED), facts, OPEN_TO_ALL)
    assert isinstance(ignore, Ignore)
    note, close = decide(changed(PullRequestAction.RETARGETED), facts, OPEN_TO_ALL)
    assert (note, type(close)) == (NotePullRequest(PULL), CloseReviews)


@pytest.mark.parametrize(
    ("standing", "trusted", "state"),
    [
        (Standing(), False, ReviewState.WAITING),
        (Standing(permission=Permission.TRIAGE), False, ReviewState.WAITING),
        (WRITER, True, ReviewState.QUEUED),
        (Standing(permission=Permission.ADMIN), True, ReviewState.QUEUED),
        (Standing(approved_user=True), False, ReviewState.QUEUED),
        (Standing(approved_commit=True), False, ReviewState.QUEUED),
    ],
)
def test_authors_who_may_not_write_wait_where_approval_is_required(
    standing: Standing, *, trusted: bool, state: ReviewState
) -> None:
    facts = attrs.evolve(FACTS, standing=standing)
    ask = asked(decide(changed(PullRequestAction.OPENED), facts, GUARDED))
    assert (ask.state, ask.wish.trusted) == (state, trusted)
    ask = asked(decide(changed(PullRequestAction.OPENED), facts, OPEN_TO_ALL))
    assert (ask.state, ask.wish.trusted) == (ReviewState.QUEUED, trusted)


GROUP = MergeGroupChanged(
    MergeGroupAction.CHECKS_REQUESTED,
    REPOSITORY,
    MAIN,
    BASE,
    Branch.parse(f"gh-readonly-queue/main/pr-7-{BASE}"),
    HEAD,
    "ann",
)


def test_a_merge_group_is_reviewed_against_the_commit_that_it_names() -> None:
    (ask,) = decide(GROUP, Facts(), GUARDED)
    assert ask == AskReview(
        ReviewWish(
            repository=REPOSITORY,
            occasion=Occasion.MERGE_GROUP,
            number=None,
            base=MAIN,
            base_sha=BASE,
            head_sha=HEAD,
            ref=f"refs/heads/gh-readonly-queue/main/pr-7-{BASE}",
            trusted=True,
            author="ann",
        ),
        ReviewState.QUEUED,
    )


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (Facts(), ReviewState.WAITING),
        (Facts(standing=WRITER), ReviewState.QUEUED),
        (Facts(standing=WRITER, waiting_base=True), ReviewState.WAITING),
        (Facts(standing=Standing(approved_user=True)), ReviewState.QUEUED),
        (Facts(approved_group=True, waiting_base=True), ReviewState.QUEUED),
    ],
)
def test_a_merge_group_waits_where_that_is_required(facts: Facts, state: ReviewState) -> None:
    assert asked(decide(GROUP, facts, QUEUE_GUARDED)).state is state


def test_a_merge_group_that_is_gone_is_given_up_and_no_other() -> None:
    event = attrs.evolve(GROUP, action=MergeGroupAction.DESTROYED)
    (close,) = decide(event, Facts(), OPEN_TO_ALL)
    assert close == CloseReviews(REPOSITORY, "the merge group is gone", occasion=Occasion.MERGE_GROUP, sha=HEAD)


PUSH = BranchPushed(REPOSITORY, MAIN, BASE, HEAD, is_default=True, actor=BOB)


@pytest.mark.parametrize(("name", "default"), [("main", True), ("release-25.05", False), ("release/2", False)])
def test_pushes_that_others_compare_with_are_reviewed(name: str, *, default: bool) -> None:
    event = attrs.evolve(PUSH, branch=Branch.parse(name), is_default=default)
    ask = asked(decide(event, Facts(), GUARDED))
    assert ask.state is ReviewState.QUEUED
    assert ask.wish == ReviewWish(
        repository=REPOSITORY,
        occasion=Occasion.BRANCH,
        number=None,
        base=event.branch,
        base_sha=BASE,
        head_sha=HEAD,
        ref=f"refs/heads/{name}",
        trusted=True,
        author="bob",
    )


@pytest.mark.parametrize("name", ["topic", "prerelease/2", "Release-1"])
def test_other_pushes_are_left_alone(name: str) -> None:
    event = attrs.evolve(PUSH, branch=Branch.parse(name), is_default=False)
    assert isinstance(decide(event, Facts(), OPEN_TO_ALL)[0], Ignore)


def test_a_branch_that_is_gone_is_given_up() -> None:
    (close,) = decide(attrs.evolve(PUSH, after=None), Facts(), OPEN_TO_ALL)
    assert close == CloseReviews(REPOSITORY, "main was deleted", occasion=Occasion.BRANCH, base=MAIN)


def test_a_new_branch_has_no_commit_to_compare_with() -> None:
    assert asked(decide(attrs.evolve(PUSH, before=None, actor=None), Facts(), OPEN_TO_ALL)).wish.base_sha is None


def test_a_re_run_is_of_what_is_known_else_of_the_pull_request_at_that_commit() -> None:
    event = RerunRequested(REPOSITORY, HEAD, None, BOB)
    assert decide(event, Facts(reviewed=True), GUARDED) == (RunAgain(REPOSITORY, HEAD, "bob"),)
    assert decide(event, Facts(), GUARDED) == (RunAgain(REPOSITORY, HEAD, "bob"),)
    ask = asked(decide(event, attrs.evolve(FACTS, known=PULL), GUARDED))
    assert ask == AskReview(WISH, ReviewState.WAITING), "a re-run is no approval"


def test_a_button_approves_the_commit_that_it_stands_at_if_who_presses_it_may_write() -> None:
    event = CheckActionRequested(REPOSITORY, HEAD, "EkaCI: Approval Required", "approve", BOB)
    assert decide(event, Facts(actor=Permission.WRITE), GUARDED) == (ApproveCommit(REPOSITORY, HEAD, "bob"),)
    for less in (Permission.NONE, Permission.READ, Permission.TRIAGE):
        assert isinstance(decide(event, Facts(actor=less), GUARDED)[0], Ignore)


def test_other_buttons() -> None:
    event = CheckActionRequested(REPOSITORY, HEAD, "EkaCI: Verdict", "rerun", BOB)
    assert decide(event, Facts(), GUARDED) == (RunAgain(REPOSITORY, HEAD, "bob"),)
    assert isinstance(decide(attrs.evolve(event, identifier="\x00"), Facts(), GUARDED)[0], Ignore)


def test_a_workflow_approves_its_commit_only_if_who_started_it_may_write() -> None:
    event = WorkflowRequested(REPOSITORY, HEAD, BOB)
    assert decide(event, Facts(actor=Permission.MAINTAIN), GUARDED) == (ApproveCommit(REPOSITORY, HEAD, "bob"),)
    assert isinstance(decide(event, Facts(actor=Permission.TRIAGE), GUARDED)[0], Ignore)
    assert isinstance(decide(event, Facts(actor=Permission.ADMIN), OPEN_TO_ALL)[0], Ignore)


COMMENT = CommentCreated(REPOSITORY, 7, 99, "@eka-ci approve", BOB, by_bot=False, created_at=1001)
MAY = attrs.evolve(FACTS, actor=Permission.WRITE, known=PULL, current=PULL)
ACCEPTED, REFUSED = React(REPOSITORY, 99, accepted=True), React(REPOSITORY, 99, accepted=False)
APPROVED = ApproveCommit(REPOSITORY, HEAD, "bob")


def test_a_comment_approves_the_head_commit() -> None:
    assert decide(COMMENT, MAY, GUARDED) == (APPROVED, ACCEPTED)


@pytest.mark.parametrize(
    ("event", "facts"),
    [
        (COMMENT, attrs.evolve(MAY, actor=Permission.TRIAGE)),
        (COMMENT, attrs.evolve(MAY, current=attrs.evolve(PULL, head_sha=NEWER))),
        (COMMENT, attrs.evolve(MAY, known=attrs.evolve(PULL, head_sha=NEWER))),
        (attrs.evolve(COMMENT, created_at=999), MAY),
        (attrs.evolve(COMMENT, body="@eka-ci approve ccccccc"), MAY),
    ],
)
def test_a_comment_approves_nothing_that_its_writer_may_not_or_has_not_seen(
    event: CommentCreated, facts: Facts
) -> None:
    refused, why = decide(event, facts, GUARDED)
    assert (refused, type(why)) == (REFUSED, Ignore)


def test_a_comment_that_names_the_commit_approves_whatever_happened_since() -> None:
    event = attrs.evolve(COMMENT, body=f"@eka-ci approve {HEAD[:7]}", created_at=1)
    assert decide(event, attrs.evolve(MAY, known=None), GUARDED) == (APPROVED, ACCEPTED)


def test_an_approval_of_what_was_never_seen_shows_first_what_waits() -> None:
    commands = decide(COMMENT, attrs.evolve(MAY, known=None), GUARDED)
    assert commands[:3] == (NotePullRequest(PULL), AskReview(WISH, ReviewState.WAITING), REFUSED)


@pytest.mark.parametrize(
    ("event", "facts"),
    [
        (attrs.evolve(COMMENT, by_bot=True), MAY),
        (attrs.evolve(COMMENT, body=f"{COMMENT_MARK}\n\n{COMMENT.body}"), MAY),
        (attrs.evolve(COMMENT, body="thanks"), MAY),
        (COMMENT, attrs.evolve(MAY, at_pace=False)),
        (COMMENT, attrs.evolve(MAY, current=None)),
        (COMMENT, attrs.evolve(MAY, current=attrs.evolve(PULL, state=PullRequestState.CLOSED))),
        (COMMENT, attrs.evolve(MAY, served=False)),
    ],
)
def test_other_comments_are_passed_over_in_silence(event: CommentCreated, facts: Facts) -> None:
    (ignore,) = decide(event, facts, GUARDED)
    assert isinstance(ignore, Ignore)


@pytest.mark.parametrize(
    ("author", "permission", "may"),
    [(BOB, Permission.WRITE, True), (ANN, Permission.READ, True), (BOB, Permission.READ, False)],
)
def test_who_may_write_and_the_author_can_have_it_made_again(
    author: Person, permission: Permission, *, may: bool
) -> None:
    event = attrs.evolve(COMMENT, body="/ekaci retry", author=author)
    first, second = decide(event, attrs.evolve(MAY, actor=permission), GUARDED)
    if may:
        assert (first, second) == (RunAgain(REPOSITORY, HEAD, author.login), ACCEPTED)
    else:
        assert (first, type(second)) == (REFUSED, Ignore)


def test_installations() -> None:
    event = InstallationChanged(InstallationAction.ADDED, 1, "org", (REPOSITORY,))
    facts = Facts(host="forge.example", instance="app", repositories=(REPOSITORY, OTHER))
    for action in (InstallationAction.ADDED, InstallationAction.UNSUSPENDED):
        (note,) = decide(attrs.evolve(event, action=action), facts, GUARDED)
        assert note == NoteInstalled("forge.example", "app", (REPOSITORY, OTHER))
    for action in (InstallationAction.REMOVED, InstallationAction.SUSPENDED):
        first, *closed = decide(attrs.evolve(event, action=action), facts, GUARDED)
        assert first == NoteUninstalled("forge.example", "app", (REPOSITORY, OTHER))
        assert [each.repository for each in closed if isinstance(each, CloseReviews)] == [REPOSITORY, OTHER]
    assert isinstance(decide(event, Facts(), GUARDED)[0], Ignore)


@pytest.mark.parametrize("action", [RepositoryAction.RENAMED, RepositoryAction.TRANSFERRED])
def test_a_repository_with_a_new_name_keeps_what_is_known(action: RepositoryAction) -> None:
    event = RepositoryChanged(action, REPOSITORY, OTHER)
    assert decide(event, Facts(served=False), GUARDED) == (RenameRepository(OTHER, REPOSITORY),)
    assert isinstance(decide(attrs.evolve(event, before=None), Facts(), GUARDED)[0], Ignore)


def test_a_repository_that_is_gone_is_given_up() -> None:
    uninstalled, closed = decide(RepositoryChanged(RepositoryAction.DELETED, REPOSITORY, None), FACTS, GUARDED)
    assert uninstalled == NoteUninstalled("forge.example", "app", (REPOSITORY,))
    assert closed == CloseReviews(REPOSITORY, "the repository was deleted")


@pytest.mark.parametrize("event", [Ping(), PullRequestReviewed(REPOSITORY, 7, HEAD, Opinion.APPROVED, BOB)])
def test_some_news_asks_for_nothing(event: Ping | PullRequestReviewed) -> None:
    (ignore,) = decide(event, FACTS, GUARDED)
    assert isinstance(ignore, Ignore)
