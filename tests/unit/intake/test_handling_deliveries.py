from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

import anyio
import attrs
import pytest

from ekaci_core.api import (
    Branch,
    BranchPushed,
    CheckActionRequested,
    CommentCreated,
    CommitSha,
    ForgeCapability,
    ForgeEvent,
    InfrastructureFault,
    InstallationAction,
    InstallationChanged,
    MergeGroupAction,
    MergeGroupChanged,
    MergeGroupTouched,
    Permission,
    Permissions,
    Person,
    Ping,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
    PullRequestTouched,
    RepositoryAction,
    RepositoryChanged,
    RepositoryId,
    RerunRequested,
    WorkflowRequested,
)
from ekaci_core.intake import IntakePolicy
from ekaci_core.intake.catching_up import CatchingUp
from ekaci_core.intake.command import ApproveCommit, ApproveUser
from ekaci_core.intake.pauses import Pauses
from ekaci_core.model.review import Occasion, ReviewState
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.store import Store, open_store
from ekaci_core.store.delivery import DeliveryState
from ekaci_core.testing.scripted_forge import HOST, ScriptedForge, payload_of

if TYPE_CHECKING:
    from tests.unit.intake.conftest import Bench

pytestmark = pytest.mark.anyio

REPOSITORY = RepositoryId.parse(HOST, "org/repo")
FORK = RepositoryId.parse(HOST, "ann/repo")
ANN, BOB, CAROL = Person("ann", 1), Person("bob", 2), Person("carol", 3)
GUARDED = IntakePolicy(require_approval=True, merge_queue_require_approval=True)


def sha(letter: str) -> CommitSha:
    return CommitSha.parse(letter * 40)


def pull(
    head: str = "a", *, at: float = 1000, number: int = 7, state: PullRequestState = PullRequestState.OPEN
) -> PullRequest:
    return PullRequest(
        repository=REPOSITORY,
        number=number,
        title="A change",
        author=ANN,
        state=state,
        draft=False,
        base=Branch.parse("main"),
        base_sha=sha("0"),
        head=Branch.parse("topic"),
        head_sha=sha(head),
        head_repository=FORK,
        updated_at=at,
    )


def changed(action: str, head: str = "a", *, at: float = 1000, number: int = 7) -> PullRequestChanged:
    state = PullRequestState.CLOSED if action == "CLOSED" else PullRequestState.OPEN
    return PullRequestChanged(PullRequestAction[action], pull(head, at=at, number=number, state=state), ANN)


def group(head: str, base: str = "0", *, number: int = 7, action: str = "CHECKS_REQUESTED") -> MergeGroupChanged:
    name = Branch.parse(f"gh-readonly-queue/main/pr-{number}-{sha(base)}")
    return MergeGroupChanged(MergeGroupAction[action], REPOSITORY, Branch.parse("main"), sha(base), name, sha(head))


def pushed(head: str, *, branch: str = "main") -> BranchPushed:
    return BranchPushed(REPOSITORY, Branch.parse(branch), sha("0"), sha(head), is_default=branch == "main", actor=BOB)


def comment(text: str, author: Person = BOB, *, at: float = 2000, number: int = 7, id_: int = 1) -> CommentCreated:
    return CommentCreated(REPOSITORY, number, id_, text, author, by_bot=False, created_at=at)


async def states(bench: Bench) -> dict[str, ReviewState]:
    records = await bench.store.reviews_of(REPOSITORY)
    return {record.wish.head_sha[0]: record.state for record in records}


async def test_a_pull_request_is_noted_and_reviewed(bench: Bench) -> None:
    ended = await bench.handle(changed("OPENED"))
    assert (ended.state, ended.attempts) == (DeliveryState.HANDLED, 1)
    assert ended.outcome == "pull request 7 noted; review 1 of aaaaaaaaaa is queued"
    assert await bench.store.known_pull_request(REPOSITORY, 7) == pull()
    (record,) = await bench.store.reviews_of(REPOSITORY, number=7)
    assert (record.wish.ref, record.wish.trusted) == ("refs/pull/7/head", False)
    assert bench.changes


async def test_a_push_supersedes_and_a_push_back_is_reviewed_anew(bench: Bench) -> None:
    await bench.handle(changed("OPENED"), changed("SYNCHRONIZED", "b", at=1001))
    assert await states(bench) == {"a": ReviewState.SUPERSEDED, "b": ReviewState.QUEUED}
    await bench.handle(changed("SYNCHRONIZED", "a", at=1002))
    assert await states(bench) == {"a": ReviewState.QUEUED, "b": ReviewState.SUPERSEDED}


async def test_older_news_changes_nothing(bench: Bench) -> None:
    ended = await bench.handle(changed("SYNCHRONIZED", "b", at=1001), changed("OPENED", "a", at=1000))
    assert ended.outcome == "newer news is known"
    assert await states(bench) == {"b": ReviewState.QUEUED}


async def test_closing_gives_up_and_reopening_asks_again(bench: Bench) -> None:
    await bench.handle(changed("OPENED"), changed("CLOSED", at=1001))
    assert await states(bench) == {"a": ReviewState.CLOSED}
    await bench.handle(changed("REOPENED", at=1002))
    assert await states(bench) == {"a": ReviewState.QUEUED}


async def test_a_draft_stops_what_runs_and_ready_goes_on(bench: Bench) -> None:
    await bench.handle(changed("OPENED"), changed("DRAFTED", at=1001))
    assert await states(bench) == {"a": ReviewState.CLOSED}
    await bench.handle(changed("READY", at=1002))
    assert await states(bench) == {"a": ReviewState.QUEUED}


async def test_a_new_base_is_another_review_and_the_old_one_comes_back_anew(bench: Bench) -> None:
    release = attrs.evolve(pull(at=1001), base=Branch.parse("release/1"))
    await bench.handle(changed("OPENED"), PullRequestChanged(PullRequestAction.RETARGETED, release, ANN))
    records = await bench.store.reviews_of(REPOSITORY, number=7)
    assert [(each.wish.base, each.state) for each in records] == [
        ("release/1", ReviewState.QUEUED),
        ("main", ReviewState.SUPERSEDED),
    ]
    await bench.store.finish_review(records[0].id, decision="merge", result="{}", now=5)
    await bench.handle(
        changed("RETARGETED", at=1002),
        PullRequestChanged(PullRequestAction.RETARGETED, attrs.evolve(release, updated_at=1003), ANN),
    )
    records = await bench.store.reviews_of(REPOSITORY, number=7)
    assert [(each.wish.base, each.state, each.round) for each in records] == [
        ("release/1", ReviewState.QUEUED, 2),
        ("main", ReviewState.SUPERSEDED, 2),
    ]


async def test_a_result_that_is_there_is_not_asked_for_again_by_the_way(bench: Bench) -> None:
    await bench.handle(changed("OPENED"))
    (record,) = await bench.store.reviews_of(REPOSITORY)
    await bench.store.finish_review(record.id, decision="merge", result="{}", now=5)
    await bench.handle(changed("ENQUEUED", at=1001), changed("EDITED", at=1002))
    assert await states(bench) == {"a": ReviewState.DONE}


@pytest.mark.parametrize("permission", [Permission.WRITE, Permission.READ])
async def test_who_may_not_write_waits_for_approval(bench: Bench, permission: Permission) -> None:
    bench.policy = GUARDED
    bench.forge.permissions["ann"] = permission
    await bench.handle(changed("OPENED"))
    may = permission >= Permission.WRITE
    assert await states(bench) == {"a": ReviewState.QUEUED if may else ReviewState.WAITING}


async def test_an_approved_person_is_known_by_number(bench: Bench) -> None:
    bench.policy = GUARDED
    await bench.store.approve_user(HOST, Person("ann", 77), notes="took the name later", now=1)
    await bench.handle(changed("OPENED"))
    assert await states(bench) == {"a": ReviewState.WAITING}
    await bench.store.approve_user(HOST, Person("ann-before", 1), notes="", now=1)
    await bench.handle(changed("SYNCHRONIZED", "b", at=1001))
    assert (await states(bench))["b"] is ReviewState.QUEUED


@pytest.mark.parametrize(
    "approval",
    [
        CheckActionRequested(REPOSITORY, sha("a"), "EkaCI: Approval Required (User: @ann)", "approve", BOB),
        WorkflowRequested(REPOSITORY, sha("a"), BOB),
        comment("@eka-ci approve"),
    ],
)
async def test_an_approval_lets_one_commit_run(bench: Bench, approval: ForgeEvent) -> None:
    bench.policy = GUARDED
    bench.forge.pull_requests[7] = pull()
    await bench.handle(changed("OPENED"), approval)
    assert await states(bench) == {"a": ReviewState.WAITING}, "bob may not write"
    bench.forge.permissions["bob"] = Permission.WRITE
    if isinstance(approval, CommentCreated):
        approval = attrs.evolve(approval, comment=2, created_at=approval.created_at + 60)
    await bench.handle(approval)
    assert await states(bench) == {"a": ReviewState.QUEUED}
    found = await bench.store.commit_approval(REPOSITORY, sha("a"))
    assert found is not None
    assert found.by == "bob"
    await bench.handle(changed("SYNCHRONIZED", "b", at=3000))
    assert await states(bench) == {"a": ReviewState.SUPERSEDED, "b": ReviewState.WAITING}


async def test_an_approval_that_comes_before_the_pull_request_holds(bench: Bench) -> None:
    bench.policy = GUARDED
    bench.forge.permissions["bob"] = Permission.WRITE
    await bench.handle(WorkflowRequested(REPOSITORY, sha("a"), BOB), changed("OPENED"))
    assert await states(bench) == {"a": ReviewState.QUEUED}


async def test_an_approval_between_look_up_and_asking_is_not_lost(bench: Bench) -> None:
    """The forge answers slowly; meanwhile somebody approves, and finds nothing yet that waits."""
    bench.policy = GUARDED
    async with open_gate(bench) as gate, bench.running():
        await bench.deliver(changed("OPENED"))
        await gate.asked.wait()
        await bench.store.approve_commit(REPOSITORY, sha("a"), by="bob", now=1)
        gate.answer.set()
        await bench.nothing_pending()
    assert await states(bench) == {"a": ReviewState.QUEUED}


@attrs.define
class open_gate:  # noqa: N801 - it reads as one
    bench: Bench
    asked: anyio.Event = attrs.field(factory=anyio.Event)
    answer: anyio.Event = attrs.field(factory=anyio.Event)

    async def __aenter__(self) -> Self:
        gate = self

        class Slow(ScriptedForge):
            async def permission(self, repository: RepositoryId, person: Person) -> Permission:
                gate.asked.set()
                await gate.answer.wait()
                return await super().permission(repository, person)

        self.bench.forge = Slow()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.answer.set()


async def test_comments_are_answered_by_a_sign_and_nothing_else(bench: Bench) -> None:
    bench.policy = GUARDED
    bench.forge.permissions["bob"] = Permission.WRITE
    bench.forge.pull_requests[7] = pull()
    await bench.handle(
        changed("OPENED"),
        comment("thanks!", id_=1),
        comment("@eka-ci approve", CAROL, id_=2),
        comment("@eka-ci approve", id_=3),
        comment("@eka-ci retry", id_=4, at=2003),
        comment("@eka-ci approve", CAROL, id_=5, at=2001),
    )
    assert bench.forge.reactions == [(2, False), (3, True)], "the others were no commands, or came too fast"
    assert "comment" not in bench.forge.asked
    assert "publish" not in bench.forge.asked


async def test_a_sign_that_cannot_be_given_keeps_nothing_back(bench: Bench) -> None:
    bench.policy = GUARDED

    class Mute(ScriptedForge):
        async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
            raise InfrastructureFault(f"no answer at {repository.path} {comment} {accepted}")

    bench.forge = Mute()
    bench.forge.permissions["bob"] = Permission.WRITE
    bench.forge.pull_requests[7] = pull()
    ended = await bench.handle(changed("OPENED"), comment("@eka-ci approve"))
    assert ended.state is DeliveryState.HANDLED
    assert await states(bench) == {"a": ReviewState.QUEUED}


async def test_a_re_run_begins_the_next_round_and_approves_nothing(bench: Bench) -> None:
    bench.policy = GUARDED
    again = RerunRequested(REPOSITORY, sha("a"), None, BOB)
    ended = await bench.handle(changed("OPENED"), again)
    assert await states(bench) == {"a": ReviewState.WAITING}
    assert ended.outcome == "nothing to do again at aaaaaaaaaa: waiting"
    (record,) = await bench.store.reviews_of(REPOSITORY)
    await bench.store.approve_review(record.id, now=1)
    await bench.store.finish_review(record.id, decision="do_not_merge", result="{}", now=1)
    await bench.handle(again)
    (record,) = await bench.store.reviews_of(REPOSITORY)
    assert (record.state, record.round) == (ReviewState.QUEUED, 2)


async def test_a_re_run_of_a_commit_that_we_missed_asks_for_its_first_review(bench: Bench) -> None:
    await bench.store.note_pull_request(pull(), now=1)
    await bench.handle(RerunRequested(REPOSITORY, sha("a"), "EkaCI: Verdict", BOB))
    assert await states(bench) == {"a": ReviewState.QUEUED}


async def test_merge_groups_live_side_by_side_and_wait_for_what_they_are_built_on(bench: Bench) -> None:
    bench.policy = GUARDED
    bench.forge.permissions["carol"] = Permission.WRITE
    await bench.store.note_pull_request(pull("1", number=1), now=1)
    await bench.store.note_pull_request(attrs.evolve(pull("2", number=2), author=CAROL), now=1)
    await bench.handle(group("a", number=1), group("b", "a", number=2), group("c", "0", number=2))
    assert await states(bench) == {"a": ReviewState.WAITING, "b": ReviewState.WAITING, "c": ReviewState.QUEUED}
    await bench.handle(group("b", "a", number=2, action="DESTROYED"))
    assert await states(bench) == {"a": ReviewState.WAITING, "b": ReviewState.CLOSED, "c": ReviewState.QUEUED}


async def test_pushes_overtake_what_is_not_begun(bench: Bench) -> None:
    await bench.handle(pushed("a"))
    (record,) = await bench.store.reviews_of(REPOSITORY)
    assert record.wish.occasion is Occasion.BRANCH
    await bench.store.change_review(record.id, ReviewState.EVALUATING, expected=[ReviewState.QUEUED], now=1)
    await bench.handle(pushed("b"), pushed("c"), pushed("d", branch="release/1"), pushed("e", branch="topic"))
    assert await states(bench) == {
        "a": ReviewState.EVALUATING,
        "b": ReviewState.SUPERSEDED,
        "c": ReviewState.QUEUED,
        "d": ReviewState.QUEUED,
    }


async def test_installations_and_names(bench: Bench) -> None:
    bench.forge.given = [REPOSITORY, FORK]
    await bench.handle(InstallationChanged(InstallationAction.ADDED, 1, "Org", ()), changed("OPENED"))
    assert await bench.store.installed(HOST) == [REPOSITORY]
    renamed = RepositoryId.parse(HOST, "org/new-name")
    await bench.handle(RepositoryChanged(RepositoryAction.RENAMED, renamed, REPOSITORY))
    assert [each.wish.repository for each in await bench.store.reviews_of(renamed)] == [renamed]
    await bench.handle(InstallationChanged(InstallationAction.SUSPENDED, 1, "org", ()))
    assert await bench.store.installed(HOST) == []
    assert [each.state for each in await bench.store.reviews_of(renamed)] == [ReviewState.CLOSED]


async def test_what_is_not_for_us_is_ignored_with_a_reason(bench: Bench) -> None:
    bench.forge = ScriptedForge(serving=Permissions(allow_all=False, allowed_repos=("other/*",)))
    ended = await bench.handle(changed("OPENED"))
    assert ended.state is DeliveryState.IGNORED
    assert ended.outcome == "the forge is not configured for org/repo, branch main"
    assert (await bench.handle(Ping())).state is DeliveryState.IGNORED


async def test_the_instance_that_is_configured_for_the_repository_handles_it(bench: Bench) -> None:
    """Two that share a secret both accept every delivery, and the first of them took it."""
    bench.forge = ScriptedForge(serving=Permissions(allow_all=False, allowed_repos=("other/*",)))
    bench.others["second"] = ScriptedForge()
    ended = await bench.handle(changed("OPENED"))
    assert ended.state is DeliveryState.HANDLED
    assert "permission" in bench.others["second"].asked
    assert bench.forge.asked == []


async def test_garbage_is_ignored_and_a_broken_plugin_fails_its_own_delivery(bench: Bench) -> None:
    await bench.deliver(b"\xff{", name="garbage")
    await bench.deliver(b'{"_type": "PullRequestChanged", "pull_request": null}', name="null")
    await bench.deliver(b"{}", name="broken", kind="broken")
    await bench.deliver(changed("OPENED"), name="good")
    await bench.settle()
    assert await bench.states() == [
        ("garbage", DeliveryState.IGNORED),
        ("null", DeliveryState.IGNORED),
        ("broken", DeliveryState.FAILED),
        ("good", DeliveryState.HANDLED),
    ]
    assert sum(event == "delivery_handled" for event, _ in bench.log.events) == 4


async def test_a_forge_that_is_away_keeps_back_nothing_but_what_needs_it(bench: Bench) -> None:
    bench.forge.faults = [InfrastructureFault("no route")]
    async with bench.running():
        await bench.deliver(changed("OPENED"), name="needs it")
        await bench.deliver(pushed("b"), name="does not")
        while await states(bench) != {"b": ReviewState.QUEUED}:  # noqa: ASYNC110 - a database wakes nobody
            await anyio.sleep(0.005)
        assert await bench.states() == [("needs it", DeliveryState.PENDING), ("does not", DeliveryState.HANDLED)]
        await bench.nothing_pending()
    ended = (await bench.store.deliveries())[-1]
    assert (ended.name, ended.state, ended.attempts) == ("needs it", DeliveryState.HANDLED, 2)


async def test_news_of_one_pull_request_waits_for_what_came_before_it(bench: Bench) -> None:
    bench.forge.faults = [InfrastructureFault("no route")]
    bench.forge.pull_requests[7] = pull()
    bench.forge.permissions["bob"] = Permission.WRITE
    bench.policy = GUARDED
    await bench.deliver(changed("OPENED"))
    await bench.deliver(comment("@eka-ci approve"))
    await bench.settle()
    assert await states(bench) == {"a": ReviewState.QUEUED}


async def test_what_was_pending_is_handled_at_the_next_start_and_a_replay_again(bench: Bench) -> None:
    await bench.deliver(changed("OPENED"))
    await bench.settle()
    (delivery,) = await bench.store.deliveries()
    assert await bench.store.replay_delivery(delivery.id, now=2)
    ended = await bench.handle()
    assert (ended.state, ended.attempts) == (DeliveryState.HANDLED, 1)
    (record,) = await bench.store.reviews_of(REPOSITORY)
    assert record.round == 1


async def test_a_forge_is_asked_for_what_did_not_arrive(bench: Bench) -> None:
    bench.forge = ScriptedForge(capabilities=[ForgeCapability.DELIVERY_LOG])
    bench.forge.missed = ["known", "missed"]
    await bench.deliver(changed("OPENED"), name="known")
    async with bench.running():
        await bench.logged("deliveries_asked_for_again")
    assert ("deliveries_asked_for_again", {"forge": "app", "count": 1}) in bench.log.events


async def test_one_that_fails_each_time_is_asked_for_three_times(bench: Bench) -> None:
    forge = ScriptedForge(capabilities=[ForgeCapability.DELIVERY_LOG])
    forge.missed = ["lost"]
    forge.faults = [InfrastructureFault("away")]
    found = OpenForge("scripted", "app", forge)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(CatchingUp(bench.store, [found], bench.clock, bench.log, interval_seconds=0.01).run)
        while forge.asked.count("missed_deliveries") < 7:  # noqa: ASYNC110 - a counter wakes nobody
            await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()
    assert [event for event, _ in bench.log.events] == [
        "deliveries_not_looked_for",
        *["deliveries_asked_for_again"] * 3,
    ]


async def test_many_deliveries_are_each_handled_once(bench: Bench) -> None:
    async with bench.running():
        for number in range(1, 301):
            await bench.deliver(changed("OPENED", number=number))
        await bench.nothing_pending()
    assert {each.attempts for each in await bench.store.deliveries(limit=1000)} == {1}
    assert len(await bench.store.reviews_of(REPOSITORY, limit=1000)) == 300


async def test_what_nobody_foresaw_ends_one_delivery_after_a_few_attempts_and_no_other(bench: Bench) -> None:
    class Odd(ScriptedForge):
        def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
            del repository, branch
            return True

        def pull_request_ref(self, number: int) -> str:
            raise ZeroDivisionError(number)

    bench.forge = Odd()
    bench.pauses = Pauses(first_seconds=0.01, faults=3)
    await bench.deliver(changed("OPENED"), name="poison")
    await bench.deliver(changed("SYNCHRONIZED", "b", at=1001), name="behind it")
    await bench.deliver(pushed("c"), name="good")
    await bench.settle()
    poison, behind, good = reversed(await bench.store.deliveries())
    assert (poison.state, poison.attempts, good.state) == (DeliveryState.FAILED, 3, DeliveryState.HANDLED)
    assert "ZeroDivisionError: 7" in poison.outcome
    assert (behind.state, behind.attempts) == (DeliveryState.FAILED, 3)


async def test_a_defect_of_ours_is_an_outcome_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No input is known that does this; a store that answers wrongly stands for it."""

    async def wrong(*_: object, **__: object) -> None:
        raise KeyError("\x1b[31mred")

    bench.pauses = Pauses(first_seconds=0.01, surprises=2)
    monkeypatch.setattr(type(bench.store), "note_pull_request", wrong)
    ended = await bench.handle(changed("OPENED"))
    assert (ended.state, ended.attempts) == (DeliveryState.FAILED, 2)
    assert ended.outcome.startswith("KeyError: ")
    assert ended.outcome.isprintable()


def test_pauses_grow_and_end() -> None:
    pauses = Pauses()
    given = [pauses.after_fault(attempts) for attempts in range(1, 31)]
    assert given[:7] == [2, 6, 18, 54, 162, 486, 600]
    assert given[-2:] == [600, None]
    assert sum(each for each in given if each is not None) > 3.5 * 3600
    assert [pauses.after_surprise(attempts) for attempts in (1, 2, 3, 4)] == [2, 6, 18, None]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"org/repo"', b'"../.."'),
        (b'"org/repo"', b'"-org/repo"'),
        (b'"head": "topic"', b'"head": "-topic"'),
        (b'"base": "main"', b'"base": "refs/heads/../main"'),
        (b'"base": "main"', b'"base": null'),
        (b'"head": "topic"', b'"head": "\\ud800"'),
        (b"a" * 40, b"HEAD"),
        (b'"title": "A change"', b'"title": {"x": 1}, "more": []'),
        (b'"opened"', b'"exploded"'),
        (b'"PullRequestChanged"', b'"Unknown"'),
    ],
)
async def test_names_that_name_nothing_are_ignored_in_one_line(bench: Bench, before: bytes, after: bytes) -> None:
    payload = payload_of(changed("OPENED"))
    assert before in payload
    await bench.deliver(payload.replace(before, after))
    await bench.settle()
    assert [state for _, state in await bench.states()] == [DeliveryState.IGNORED]
    assert len(bench.log.events) == 1
    assert not bench.forge.asked
    assert not await bench.store.live_reviews()
    assert not await bench.store.known_pull_requests()


async def test_control_characters_of_a_person_reach_neither_log_nor_outcome(bench: Bench) -> None:
    bench.policy = GUARDED
    bench.forge.pull_requests[7] = pull()
    ended = await bench.handle(changed("OPENED"), comment("@eka-ci approve \x1b[31m", Person("mal\x1b[2Jlory\r\n", 9)))
    assert ended.outcome == "refused; mallory may not write to org/repo, so not approve either"
    assert "\x1b" not in str(bench.log.events)


async def test_half_a_character_stops_nothing(bench: Bench) -> None:
    odd = Person("od\ud800d", 1)
    bench.forge.pull_requests[7] = attrs.evolve(pull(), author=odd, title="\udfff")
    await bench.deliver(PullRequestChanged(PullRequestAction.OPENED, bench.forge.pull_requests[7], odd))
    await bench.deliver(comment("@eka-ci approve \ud800", odd))
    await bench.deliver(RerunRequested(REPOSITORY, sha("a"), "\ud800", odd))
    await bench.settle()
    assert {state for _, state in await bench.states()} <= {DeliveryState.HANDLED, DeliveryState.IGNORED}
    str(bench.log.events).encode()
    assert await states(bench) == {"a": ReviewState.QUEUED}


async def test_a_delivery_of_a_forge_that_is_not_open_waits_for_it(bench: Bench) -> None:
    bench.pauses = Pauses(first_seconds=0.01, faults=3)
    await bench.deliver(changed("OPENED"), instance="second")
    await bench.settle()
    (ended,) = await bench.store.deliveries()
    assert (ended.state, ended.attempts) == (DeliveryState.FAILED, 3)
    assert ended.outcome == "no forge 'second' of type scripted is open"
    bench.others["second"] = ScriptedForge()
    await bench.store.replay_delivery(ended.id, now=1)
    await bench.settle()
    assert (await bench.store.deliveries())[0].state is DeliveryState.HANDLED


async def test_who_is_trusted_has_what_waits_go_on(bench: Bench) -> None:
    bench.policy = GUARDED
    other = attrs.evolve(pull("c", number=8), author=CAROL)
    await bench.handle(changed("OPENED"), PullRequestChanged(PullRequestAction.OPENED, other, CAROL))
    commands = bench.intake().commands
    assert await commands.carry_out([ApproveUser(HOST, Person("ann-now", 1))]) == (
        "ann-now approved: 1 reviews queued",
    )
    assert await states(bench) == {"a": ReviewState.QUEUED, "c": ReviewState.WAITING}
    assert await commands.carry_out([ApproveCommit(REPOSITORY, sha("c"), "operator")])
    assert (await states(bench))["c"] is ReviewState.QUEUED


@attrs.define
class Failing:
    """A store whose writes fail once, before or after they are done: as if the process had been killed there."""

    store: Store
    at: int
    done: bool
    writes: int = 0

    def __getattr__(self, name: str) -> object:
        method = getattr(self.store, name)
        if name not in WRITES:
            return method

        async def call(*given: object, **named: object) -> object:
            self.writes += 1
            if self.writes != self.at:
                return await method(*given, **named)
            if self.done:
                await method(*given, **named)
            raise InfrastructureFault("killed here")

        return call


WRITES = {"note_pull_request", "ask_review", "ask_review_again", "approve_review", "approve_commit", "change_review"}
STORY: list[ForgeEvent] = [
    changed("OPENED"),
    comment("@eka-ci approve", at=1001),
    changed("SYNCHRONIZED", "b", at=1002),
    CheckActionRequested(REPOSITORY, sha("b"), "EkaCI: Approval Required (User: @ann)", "approve", BOB),
    changed("RETARGETED", "b", at=1003),
    changed("DRAFTED", "b", at=1004),
    changed("READY", "b", at=1005),
    changed("CLOSED", "b", at=1006),
    changed("REOPENED", "a", at=1007),
    pushed("d"),
    pushed("e"),
]


async def told(bench: Bench) -> list[tuple[object, ...]]:
    for event in STORY:
        await bench.handle(event)
    records = await bench.store.reviews_of(REPOSITORY)
    return [(each.wish, each.state, each.round, each.detail) for each in records]


@pytest.mark.parametrize("done", [True, False])
async def test_what_ends_in_the_middle_and_is_handled_again_comes_out_the_same(bench: Bench, *, done: bool) -> None:
    async def story(at: int) -> tuple[list[tuple[object, ...]], int]:
        async with open_store(None) as store:
            failing = Failing(store, at, done)
            fresh = attrs.evolve(bench, store=cast("Store", failing), policy=GUARDED, pauses=Pauses(first_seconds=0))
            fresh.forge = ScriptedForge()
            fresh.forge.permissions["bob"] = Permission.WRITE
            fresh.forge.pull_requests[7] = pull()
            return await told(fresh), failing.writes

    expected, writes = await story(0)
    assert writes > 20
    for at in range(1, writes + 1):
        assert (await story(at))[0] == expected, f"killed at write {at}"


async def test_what_is_replayed_is_handled_again_at_once_however_much_comes(bench: Bench) -> None:
    intake = bench.intake()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(intake.run)
        await bench.deliver(changed("OPENED"))
        await bench.deliver(Ping())
        await bench.nothing_pending()
        first = (await bench.store.deliveries())[-1]
        assert await bench.store.replay_delivery(first.id, now=bench.clock.now())
        bench.arrivals.wake()  # something else came
        intake.look_again()
        with anyio.fail_after(10):
            await bench.nothing_pending()
        tasks.cancel_scope.cancel()
    again = await bench.store.delivery(first.id)
    assert again is not None
    assert (again.state, again.attempts) == (DeliveryState.HANDLED, 1)


async def test_an_event_that_came_in_no_delivery_is_followed(bench: Bench) -> None:
    intake = bench.intake()
    at = OpenForge("scripted", "app", bench.forge)
    done = await intake.follow(changed("OPENED"), at)
    assert done[0] == "pull request 7 noted"
    assert [each.state for each in await bench.store.live_reviews()] == [ReviewState.QUEUED]


def touched(action: str, number: int = 7) -> PullRequestTouched:
    return PullRequestTouched(PullRequestAction[action], REPOSITORY, number, ANN)


async def test_a_pull_request_that_the_forge_tells_little_of_is_asked_for(bench: Bench) -> None:
    bench.forge.pull_requests[7] = pull("b", at=1500)
    ended = await bench.handle(touched("OPENED"))
    assert (ended.state, ended.attempts) == (DeliveryState.HANDLED, 1)
    assert await bench.store.known_pull_request(REPOSITORY, 7) == pull("b", at=1500)
    (record,) = await bench.store.reviews_of(REPOSITORY, number=7)
    assert (record.wish.head_sha, record.wish.ref) == (sha("b"), "refs/pull/7/head")


async def test_what_became_of_it_counts_and_not_what_was_told(bench: Bench) -> None:
    bench.forge.pull_requests[7] = pull()
    await bench.handle(touched("OPENED"))
    bench.forge.pull_requests[7] = pull(at=1600, state=PullRequestState.MERGED)
    await bench.handle(touched("SYNCHRONIZED"))
    assert await states(bench) == {"a": ReviewState.CLOSED}


async def test_a_pull_request_that_is_not_there_is_ignored(bench: Bench) -> None:
    ended = await bench.handle(touched("OPENED", 77))
    assert ended.state is DeliveryState.IGNORED
    assert "no such pull request" in ended.outcome


async def test_a_pull_request_into_a_branch_that_is_not_served_is_ignored(bench: Bench) -> None:
    bench.forge = ScriptedForge(serving=Permissions(allow_all=False, allowed_branches=("release",)))
    bench.forge.pull_requests[7] = pull()
    ended = await bench.handle(touched("OPENED"))
    assert ended.state is DeliveryState.IGNORED
    assert "branch main" in ended.outcome


def train(head: str, *, action: str = "CHECKS_REQUESTED", base: str = "main") -> MergeGroupChanged:
    name, ref = Branch.parse("merge-requests/7/train"), "refs/merge-requests/7/train"
    return MergeGroupChanged(
        MergeGroupAction[action], REPOSITORY, Branch.parse(base), sha("0"), name, sha(head), "ann", ref
    )


async def test_a_merge_group_that_the_forge_tells_little_of_is_asked_for(bench: Bench) -> None:
    bench.forge.merge_groups[41] = train("d")
    ended = await bench.handle(MergeGroupTouched(REPOSITORY, 41))
    assert ended.state is DeliveryState.HANDLED
    (record,) = await bench.store.reviews_of(REPOSITORY, sha=sha("d"))
    assert (record.wish.occasion, record.wish.ref) == (Occasion.MERGE_GROUP, "refs/merge-requests/7/train")
    assert (record.wish.base_sha, record.wish.trusted) == (sha("0"), True)
    bench.forge.merge_groups[41] = train("d", action="DESTROYED")
    await bench.handle(MergeGroupTouched(REPOSITORY, 41))
    assert await states(bench) == {"d": ReviewState.CLOSED}


async def test_what_is_of_no_merge_queue_or_branch_of_ours_is_ignored(bench: Bench) -> None:
    assert (await bench.handle(MergeGroupTouched(REPOSITORY, 41))).state is DeliveryState.IGNORED
    bench.forge = ScriptedForge(serving=Permissions(allow_all=False, allowed_branches=("release",)))
    bench.forge.merge_groups[41] = train("d")
    assert (await bench.handle(MergeGroupTouched(REPOSITORY, 41))).state is DeliveryState.IGNORED


async def test_a_train_waits_for_the_approval_of_its_change(bench: Bench) -> None:
    bench.policy = GUARDED
    await bench.handle(changed("OPENED"))
    bench.forge.merge_groups[41] = train("d")
    await bench.handle(MergeGroupTouched(REPOSITORY, 41))
    assert (await states(bench))["d"] is ReviewState.WAITING
    bench.forge.permissions["ann"] = Permission.WRITE
    bench.forge.merge_groups[42] = train("e")
    await bench.handle(MergeGroupTouched(REPOSITORY, 42))
    assert (await states(bench))["e"] is ReviewState.QUEUED
