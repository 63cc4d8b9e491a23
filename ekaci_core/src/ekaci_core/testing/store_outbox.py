"""The part of a store's contract that is the outbox."""

from __future__ import annotations

import math

import pytest

from ekaci_core.model.check import Annotation, AnnotationLevel, Check, CheckButton, CheckStatus, Conclusion
from ekaci_core.store.contract import Store
from ekaci_core.store.outbox import AccountUse, Post, PostId
from ekaci_core.testing.store_forges import HERE, THERE, check, sha


async def _only(store: Store, commit: str = "a") -> Post:
    [post] = await store.posts_at(HERE, sha(commit))
    return post


async def _due(store: Store, now: float = 100.0, limit: int = 100) -> list[str]:
    return [each.check.context for each in await store.posts_due(now=now, limit=limit)]


def _full() -> Check:
    return Check(
        repository=HERE,
        sha=sha("a"),
        context="pkgs.\u00fc / Changed (job)",
        status=CheckStatus.COMPLETED,
        conclusion=Conclusion.ACTION_REQUIRED,
        title="a title",
        summary="**bold** \U0001f600",
        text="lone \udcff surrogate, nul \0",
        annotations=(
            Annotation("a.nix", 3, AnnotationLevel.FAILURE, "bad"),
            Annotation("b.nix", 1, AnnotationLevel.NOTICE, "so", "title"),
        ),
        buttons=(CheckButton("Approve", "this commit", "approve"),),
        details_url="https://ci.example.org/1",
        external_id="ours",
        started_at=1.25,
        completed_at=2.5,
    )


class OutboxConformance:
    """What every store does with what is to stand at forges."""

    @pytest.mark.parametrize("wanted", [_full(), check()], ids=["full", "bare"])
    async def test_a_check_comes_back_as_it_went(self, store: Store, wanted: Check) -> None:
        assert await store.want_checks([wanted], now=5.0) == 1
        post = await _only(store)
        final = wanted.status is CheckStatus.COMPLETED
        assert post == Post(post.id, wanted, 1, 0, None, 0, 5.0, None, 0.0, final)
        assert await store.posts_due(now=5.0, limit=1) == [post]

    async def test_what_is_wanted_already_changes_nothing(self, store: Store) -> None:
        await store.want_checks([_full()], now=5.0)
        before = await _only(store)
        assert await store.want_checks([_full()], now=6.0) == 0
        assert await store.want_checks([], now=6.0) == 0
        assert await _only(store) == before

    async def test_only_the_latest_wish_is_kept(self, store: Store) -> None:
        assert await store.want_checks([check(text="1")], now=1.0) == 1
        assert await store.want_checks([check(text="2"), check(text="3", done=True)], now=2.0) == 1
        post = await _only(store)
        assert (post.check.text, post.version, post.changed_at, post.final) == ("3", 2, 2.0, True)
        assert await store.want_checks([check(text="4"), check(text="3", done=True)], now=3.0) == 0

    async def test_each_name_at_each_commit_of_each_repository_is_a_row(self, store: Store) -> None:
        wanted = [check("x"), check("y"), check("x", sha=sha("b")), check("x", repository=THERE)]
        assert await store.want_checks(wanted, now=1.0) == 4
        assert [each.check for each in await store.posts_at(HERE, sha("a"))] == wanted[:2]
        assert [each.check for each in await store.posts_at(HERE, sha("a"), ["y", "z"])] == wanted[1:2]
        assert [each.check for each in await store.posts_at(THERE, sha("a"))] == wanted[3:]
        assert await store.posts_at(THERE, sha("b")) == []

    async def test_what_is_sent_waits_no_more(self, store: Store) -> None:
        await store.want_checks([check(text="1")], now=1.0)
        post = await _only(store)
        await store.post_sent(post.id, version=1, remote="77", now=2.0)
        shown = await _only(store)
        assert (shown.sent, shown.remote, shown.writes, shown.sent_at) == (1, "77", 1, 2.0)
        assert await _due(store) == []
        await store.want_checks([check(text="2")], now=3.0)
        [again] = await store.posts_due(now=3.0, limit=9)
        assert (again.version, again.sent, again.remote, again.writes) == (2, 1, "77", 1)

    async def test_what_is_wanted_while_it_is_sent_is_sent_too(self, store: Store) -> None:
        await store.want_checks([check(text="1")], now=1.0)
        post = await _only(store)
        await store.want_checks([check(text="2")], now=2.0)
        await store.post_sent(post.id, version=1, remote="77", now=3.0)
        [again] = await store.posts_due(now=3.0, limit=9)
        assert (again.check.text, again.version, again.sent) == ("2", 2, 1)

    async def test_first_words_go_first_then_final_ones_then_what_waits_longest(self, store: Store) -> None:
        for name in ("old", "busy", "mid"):
            await store.want_checks([check(name)], now=0.0)
        for post in await store.posts_due(now=0.0, limit=9):
            await store.post_sent(post.id, version=1, remote="r", now=0.0)
        await store.want_checks([check("old", "1"), check("busy", "1")], now=1.0)
        await store.want_checks([check("mid", "1")], now=2.0)
        await store.want_checks([check("end", done=True)], now=3.0)
        await store.want_checks([check("busy", "2"), check("mid", "2", done=True)], now=4.0)
        await store.want_checks([check("new")], now=5.0)
        assert await _due(store) == ["new", "mid", "end", "old", "busy"]
        assert await _due(store, limit=2) == ["new", "mid"]

    async def test_what_begins_again_after_its_end_has_its_first_word_again(self, store: Store) -> None:
        await store.want_checks([check("a", done=True)], now=1.0)
        [post] = await store.posts_due(now=1.0, limit=9)
        await store.post_sent(post.id, version=1, remote="r", now=1.0)
        await store.want_checks([check("b", done=True)], now=2.0)
        await store.want_checks([check("a", "again")], now=3.0)
        first, _ = await store.posts_due(now=3.0, limit=9)
        assert (first.check.context, first.writes, first.remote) == ("a", 0, "r")

    async def test_what_was_sent_meanwhile_waits_anew(self, store: Store) -> None:
        await store.want_checks([check("a", "1")], now=1.0)
        [first] = await store.posts_due(now=1.0, limit=1)
        await store.want_checks([check("b"), check("a", "2")], now=2.0)
        await store.post_sent(first.id, version=1, remote="1", now=3.0)
        assert await _due(store) == ["b", "a"]

    async def test_what_failed_is_left_alone_for_a_while(self, store: Store) -> None:
        await store.want_checks([check("x"), check("y")], now=1.0)
        x, y = await store.posts_due(now=1.0, limit=2)
        await store.post_failed(x.id, fault="busy \udcff", not_before=60.0, forget=False)
        await store.post_failed(y.id, fault="busy", not_before=30.0, forget=False)
        assert await _due(store, now=29.0) == []
        assert await store.next_post_at(now=29.0) == 30.0
        assert await _due(store, now=30.0) == ["y"]
        assert await store.next_post_at(now=30.0) == 60.0
        assert await store.next_post_at(now=60.0) is None
        failed = (await store.posts_at(HERE, sha("a"), ["x"]))[0]
        assert (failed.not_before, failed.writes, failed.sent) == (60.0, 0, 0)
        assert failed.fault.startswith("busy")
        await store.post_sent(x.id, version=1, remote="1", now=60.0)
        assert (await store.posts_at(HERE, sha("a"), ["x"]))[0].fault == ""

    async def test_a_new_wish_is_left_alone_as_long(self, store: Store) -> None:
        await store.want_checks([check(text="1")], now=1.0)
        post = await _only(store)
        await store.post_failed(post.id, fault="busy", not_before=60.0, forget=False)
        await store.want_checks([check(text="2")], now=2.0)
        assert await _due(store, now=59.0) == []
        assert await store.next_post_at() == 60.0

    async def test_what_was_given_up_is_tried_again_when_something_else_is_wanted(self, store: Store) -> None:
        await store.want_checks([check(text="1")], now=1.0)
        post = await _only(store)
        await store.post_failed(post.id, fault="refused", not_before=None, forget=False)
        assert await _due(store, now=1e12) == []
        assert await store.next_post_at() is None
        assert (await _only(store)).not_before == math.inf
        await store.want_checks([check(text="1")], now=2.0)
        assert await _due(store, now=1e12) == []
        await store.want_checks([check(text="2")], now=3.0)
        assert await _due(store, now=3.0) == [post.check.context]

    async def test_what_is_wanted_since_is_not_given_up(self, store: Store) -> None:
        await store.want_checks([check(text="1")], now=1.0)
        post = await _only(store)
        await store.want_checks([check(text="2")], now=2.0)
        await store.post_failed(post.id, fault="refused", not_before=None, forget=False, version=post.version)
        assert await _due(store, now=2.0) == [post.check.context]
        await store.post_failed(post.id, fault="refused", not_before=None, forget=False, version=2)
        assert await _due(store, now=2.0) == []

    async def test_what_is_gone_at_the_forge_is_made_anew(self, store: Store) -> None:
        await store.want_checks([check()], now=1.0)
        post = await _only(store)
        await store.post_sent(post.id, version=1, remote="77", now=2.0)
        await store.post_failed(post.id, fault="gone", not_before=5.0, forget=True)
        [again] = await store.posts_due(now=5.0, limit=9)
        assert (again.remote, again.sent, again.version, again.writes) == (None, 0, 1, 1)

    async def test_news_of_an_unknown_post_changes_nothing(self, store: Store) -> None:
        await store.post_sent(PostId(9), version=1, remote="1", now=1.0)
        await store.post_failed(PostId(9), fault="x", not_before=None, forget=True)
        assert await _due(store) == []
        assert await store.next_post_at() is None

    async def test_old_posts_are_forgotten_unless_they_wait(self, store: Store) -> None:
        await store.want_checks([check("sent"), check("waits"), check("given up"), check("shown late")], now=1.0)
        by_name = {each.check.context: each.id for each in await store.posts_at(HERE, sha("a"))}
        await store.post_sent(by_name["sent"], version=1, remote="1", now=2.0)
        await store.post_failed(by_name["given up"], fault="no", not_before=None, forget=False)
        await store.post_sent(by_name["shown late"], version=1, remote="2", now=20.0)
        await store.want_checks([check("new")], now=10.0)
        assert await store.prune_posts(before=10.0) == 2
        left = await store.posts_at(HERE, sha("a"))
        assert [each.check.context for each in left] == ["waits", "shown late", "new"]
        assert await store.prune_posts(before=10.0) == 0

    async def test_writes_of_an_account_are_counted_for_as_long_as_they_matter(self, store: Store) -> None:
        for at in (10.0, 20.0, 25.0):
            await store.note_write("a", now=at, keep_seconds=60.0)
        await store.note_write("b", now=30.0, keep_seconds=60.0)
        assert await store.account_use("a", since=10.0) == AccountUse((20.0, 25.0))
        await store.note_write("a", now=80.0, keep_seconds=60.0)
        assert await store.account_use("a", since=0.0) == AccountUse((25.0, 80.0))
        assert await store.account_use("b", since=0.0) == AccountUse((30.0,))
        assert await store.account_use("c", since=0.0) == AccountUse()

    async def test_the_longer_of_two_pauses_of_an_account_counts(self, store: Store) -> None:
        await store.pause_account("a", until=50.0)
        await store.pause_account("a", until=40.0)
        assert (await store.account_use("a", since=0.0)).shut_until == 50.0
        assert (await store.account_use("b", since=0.0)).shut_until == 0.0
