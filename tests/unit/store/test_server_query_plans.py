"""What runs often, or over tables that grow, finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import resources

import attrs
import pytest

from ekaci_core.model.forge import Branch, Person
from ekaci_core.model.hook import HookState
from ekaci_core.model.review import ReviewState
from ekaci_core.store import (
    approvals,
    audit_records,
    deliveries,
    derivations,
    forge_writes,
    hook_executions,
    posts,
    pull_requests,
    pushes,
    repositories,
    review_checks,
    reviews,
)
from ekaci_core.store.deliveries import NewDelivery
from ekaci_core.store.delivery import DeliveryId, DeliveryState
from ekaci_core.store.hook_execution import HookExecutionId, HookOccasion
from ekaci_core.store.migrate import migrations, prepare
from ekaci_core.store.outbox import PostId
from ekaci_core.store.push import PushEnd, PushId, PushState, WantedPush
from ekaci_core.store.review import ReviewId
from ekaci_core.testing.facts import drv, record
from ekaci_core.testing.scripted_cache import store_path
from ekaci_core.testing.store_forges import FORK, HERE, THERE, check, pull_request, sha, wish
from ekaci_core.testing.store_hooks import PUSH as HOOK
from ekaci_core.testing.store_shared_checks import join, leave

DELIVERY, REVIEW, POST, PUSH = DeliveryId(1), ReviewId(1), PostId(1), PushId(1)
EXECUTION = HookExecutionId(1)
OCCASION = HookOccasion(review=REVIEW, repository=HERE, branch=Branch("topic"), sha=sha("a"))
WANTED = WantedPush(cache="one", path=store_path("a"), derivation=drv("a"), repository=HERE)
QUEUED = ReviewState.QUEUED
Work = Callable[[sqlite3.Connection], object]

SEARCHES: dict[str, Work] = {
    "add_delivery": lambda tx: deliveries.add(tx, [NewDelivery("f", "i", "other", "push", b"x", 1.0)]),
    "pending_deliveries": lambda tx: deliveries.pending(tx, 10, 0),
    "given_up_reviews": lambda tx: reviews.given_up(tx, 1.0),
    "end_delivery": lambda tx: deliveries.end(tx, DELIVERY, DeliveryState.HANDLED, "", 1.0),
    "deliveries in a state": lambda tx: deliveries.newest(tx, DeliveryState.FAILED, 10, DeliveryId(9)),
    "deliveries before one": lambda tx: deliveries.newest(tx, None, 10, DeliveryId(9)),
    "delivery": lambda tx: deliveries.find(tx, DELIVERY),
    "delivery_names": lambda tx: deliveries.names(tx, "f", 1.0),
    "replay_delivery": lambda tx: deliveries.replay(tx, DELIVERY, 1.0),
    "prune_deliveries": lambda tx: deliveries.prune(tx, 1e9, 10),
    "ask_review": lambda tx: reviews.ask(tx, wish("b"), QUEUED, 1.0),
    "ask_review for one that is there": lambda tx: reviews.ask(tx, wish(), QUEUED, 1.0),
    "ask_review_again": lambda tx: reviews.ask_again(tx, REVIEW, 1.0),
    "change_review": lambda tx: reviews.change(tx, REVIEW, QUEUED, expected=[QUEUED], detail="", now=1.0),
    "finish_review": lambda tx: reviews.finish(tx, REVIEW, "merge", b"x", 1.0),
    "review": lambda tx: reviews.find(tx, REVIEW),
    "review_result": lambda tx: reviews.report(tx, REVIEW),
    "reviews_of": lambda tx: reviews.of(tx, HERE, number=None, sha=None, limit=9),
    "reviews_of a pull request": lambda tx: reviews.of(tx, HERE, number=1, sha=None, limit=9),
    "reviews_of a commit": lambda tx: reviews.of(tx, HERE, number=None, sha=sha("a"), limit=9),
    "reviews_of a commit of a pull request": lambda tx: reviews.of(tx, HERE, number=1, sha=sha("a"), limit=9),
    "prune_results": lambda tx: reviews.prune_results(tx, 1e9, 10),
    "want_checks": lambda tx: posts.want(tx, [check(text="another"), check("new")], 2.0),
    "next_post_at": lambda tx: posts.next_at(tx, 1.0),
    "post_sent": lambda tx: posts.sent(tx, POST, version=1, remote="1", now=1.0),
    "post_failed": lambda tx: posts.failed(tx, POST, fault="", not_before=1.0, forget=True, version=1),
    "posts_at": lambda tx: posts.at(tx, HERE, sha("a"), ()),
    "posts_at under names": lambda tx: posts.at(tx, HERE, sha("a"), ["x", "y"]),
    "prune_posts": lambda tx: posts.prune(tx, 1e9, 10),
    "note_write": lambda tx: forge_writes.note(tx, "a", 1.0, 1.0),
    "pause_account": lambda tx: forge_writes.pause(tx, "a", 1.0),
    "account_use": lambda tx: forge_writes.of(tx, "a", 1.0),
    "want_review_checks": lambda tx: review_checks.want(tx, REVIEW, [check(text="2")], join, 2.0),
    "rejoin_checks": lambda tx: review_checks.rejoin(tx, HERE, sha("a"), join=join, leave=leave, now=2.0),
    "standing_checks": lambda tx: review_checks.at(tx, HERE, sha("a")),
    "shared_heads": lambda tx: review_checks.shared(tx, 1e9),
    "prune_review_checks": lambda tx: review_checks.prune(tx, 1e9, 10),
    "note_pull_request": lambda tx: pull_requests.note(tx, pull_request(), 1.0),
    "known_pull_request": lambda tx: pull_requests.find(tx, HERE, 1),
    "known_pull_requests of a repository": lambda tx: pull_requests.newest(tx, HERE, open_only=False, limit=9),
    "open ones of a repository": lambda tx: pull_requests.newest(tx, HERE, open_only=True, limit=9),
    "approve_commit": lambda tx: approvals.approve_commit(tx, HERE, sha("a"), by="me", now=1.0),
    "commit_approval": lambda tx: approvals.of_commit(tx, HERE, sha("a")),
    "approve_user": lambda tx: approvals.approve_user(tx, "f", Person("a", 1), notes="", now=1.0),
    "remove_approved_user": lambda tx: approvals.remove_user(tx, "f", "a"),
    "rename_repository": lambda tx: repositories.rename(tx, HERE, THERE),
    "want_pushes": lambda tx: pushes.want(tx, [WANTED, attrs.evolve(WANTED, cache="two")], 1.0),
    "known_pushes": lambda tx: pushes.known(tx, "one", [WANTED.path]),
    "pushes_due": lambda tx: pushes.due(tx, "one", 1.0, 9),
    "next_push_at": lambda tx: pushes.next_at(tx, "one", 1.0),
    "begin_pushes": lambda tx: pushes.begin(tx, [PUSH], 1.0),
    "end_pushes": lambda tx: pushes.end(tx, [PushEnd(push=PUSH, state=PushState.DONE)], 1.0),
    "resume_pushes": lambda tx: pushes.resume(tx, "one", 1.0),
    "expire_pushes": lambda tx: pushes.expire(tx, 1e9, "", 1.0),
    "retry_pushes": lambda tx: pushes.retry(tx, "one", None, 1.0),
    "prune_pushes": lambda tx: pushes.prune(tx, 1e9, 10),
    "pushes in a state": lambda tx: pushes.newest(tx, cache=None, state=PushState.FAILED, limit=9, before=None),
    "audit records of a subject": lambda tx: audit_records.newest(
        tx, subject="x", repository=None, limit=9, before=None
    ),
    "audit records of a repository": lambda tx: audit_records.newest(
        tx, subject=None, repository=HERE, limit=9, before=None
    ),
    "prune_audit_records": lambda tx: audit_records.prune(tx, 1e9, 10),
    "want_hooks": lambda tx: hook_executions.want(tx, [HOOK, attrs.evolve(HOOK, hook="new")], OCCASION, 2.0),
    "pending_hooks": lambda tx: hook_executions.pending(tx, 10, 1),
    "begin_hook": lambda tx: hook_executions.begin(tx, EXECUTION, "/log", 1.0),
    "end_hook": lambda tx: hook_executions.end(tx, EXECUTION, HookState.FAILED, exit_status=1, reason="", now=1.0),
    "recover_hooks": lambda tx: hook_executions.recover(tx, 1.0),
    "hook_executions in a state": lambda tx: hook_executions.newest(tx, HookState.FAILED, 10, EXECUTION),
    "hook_executions before one": lambda tx: hook_executions.newest(tx, None, 10, EXECUTION),
    "prune_hooks": lambda tx: hook_executions.prune(tx, 1e9, 10),
    "built_at": lambda tx: hook_executions.built_at(tx, [1]),
    "note_installed": lambda tx: repositories.note_installed(tx, "f", "i", [HERE], 1.0),
    "note_uninstalled": lambda tx: repositories.note_uninstalled(tx, "f", "i", [HERE]),
}

# These read an index, or a table, in its order until they have enough; the index of some holds only what is wanted.
WALKS: dict[str, tuple[Work, str]] = {
    "deliveries": (lambda tx: deliveries.newest(tx, None, 10, None), "SCAN d"),
    "hook_executions": (lambda tx: hook_executions.newest(tx, None, 10, None), "SCAN e"),
    "live_reviews": (reviews.live, "SCAN v USING INDEX review_live"),
    "known_pull_requests": (
        lambda tx: pull_requests.newest(tx, None, open_only=False, limit=9),
        "SCAN p USING INDEX pull_request_updated",
    ),
    "open ones": (
        lambda tx: pull_requests.newest(tx, None, open_only=True, limit=9),
        "SCAN p USING INDEX pull_request_open",
    ),
    "posts_due": (lambda tx: posts.due(tx, 1.0, 10), "SCAN p USING INDEX post_due"),
}
# What is at one commit is sorted after it was found.
SORTED = {
    "reviews_of a commit",
    "reviews_of a commit of a pull request",
    "posts_at",
    "posts_at under names",
    "want_review_checks",
    "rejoin_checks",
    "standing_checks",
    "shared_heads",
}


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        prepare(connection, where="memory", steps=migrations())
        deliveries.add(connection, [NewDelivery("f", "i", "name", "push", b"x", 1.0)])
        reviews.ask(connection, wish(), QUEUED, 1.0)
        posts.want(connection, [check()], 1.0)
        derivations.add(connection, [record("a")])
        hook_executions.want(connection, [HOOK], OCCASION, 1.0)
        pull_requests.note(connection, pull_request(head_repository=FORK), 1.0)
        yield connection


def plan(connection: sqlite3.Connection, work: Work) -> list[str]:
    """Run it, and explain every statement that it ran, those of foreign keys left out."""
    ran = list[str]()
    connection.set_trace_callback(ran.append)
    work(connection)
    connection.set_trace_callback(None)
    statements = [each for each in ran if not each.startswith("--") or "\n" in each]
    assert statements
    return [row[3] for each in statements for row in connection.execute(f"EXPLAIN QUERY PLAN {each}")]


def walks(lines: list[str]) -> list[str]:
    return [each for each in lines if each.startswith("SCAN") and "json_each" not in each and "CONSTANT" not in each]


@pytest.mark.parametrize("name", SEARCHES)
def test_rows_are_searched(connection: sqlite3.Connection, name: str) -> None:
    lines = plan(connection, SEARCHES[name])
    assert walks(lines) == []
    assert any("TEMP B-TREE" in each for each in lines) is (name in SORTED)


@pytest.mark.parametrize("name", WALKS)
def test_rows_are_read_in_the_order_of_an_index(connection: sqlite3.Connection, name: str) -> None:
    work, walk = WALKS[name]
    lines = plan(connection, work)
    assert walks(lines) == [walk]
    assert not any("TEMP B-TREE" in each for each in lines)


def test_statements_name_the_states_that_are_live(connection: sqlite3.Connection) -> None:
    """The index of what is live serves only statements that name the same states in the same order."""
    live = ", ".join(f"'{state.value}'" for state in ReviewState if state.is_live)
    [(index,)] = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'review_live'")
    assert f"state IN ({live})" in index
    queries = resources.files("ekaci_core.store.queries")
    lists = {
        found
        for file in queries.iterdir()
        if file.name.endswith(".sql")
        for found in re.findall(r"state IN \(('waiting'[^)]*)\)", file.read_text("utf-8"))
    }
    assert lists == {live}
