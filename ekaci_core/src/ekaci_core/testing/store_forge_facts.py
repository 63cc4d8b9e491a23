"""The part of a store's contract that holds what forges told, and whom operators trust."""

from __future__ import annotations

import pytest

from ekaci_core.model.forge import Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.model.review import ReviewState
from ekaci_core.store.contract import Store
from ekaci_core.store.forge_facts import Approval, ApprovedUser
from ekaci_core.testing.store_forges import FORK, HERE, THERE, check, pull_request, sha, wish

RENAMED = RepositoryId("git.example.org", "new/name")
SHOUTED = RepositoryId(HERE.forge, HERE.path.upper())
ELSEWHERE = RepositoryId("other.example.org", HERE.path)
CLOSED, MERGED = PullRequestState.CLOSED, PullRequestState.MERGED


async def _noted(store: Store, *told: PullRequest) -> None:
    for each in told:
        assert await store.note_pull_request(each, now=1.0)


async def _numbers(store: Store, repository: RepositoryId | None = None, **which: object) -> list[int]:
    return [each.number for each in await store.known_pull_requests(repository, **which)]  # type: ignore[arg-type]


class PullRequestConformance:
    """What every store does with pull requests."""

    @pytest.mark.parametrize(
        "told",
        [
            pull_request(3, draft=True, state=MERGED, updated_at=1.5),
            pull_request(head_repository=None),
            pull_request(head_repository=HERE),
        ],
    )
    async def test_a_pull_request_comes_back_as_it_went(self, store: Store, told: PullRequest) -> None:
        await _noted(store, told)
        assert await store.known_pull_request(HERE, told.number) == told
        assert await store.known_pull_request(HERE, told.number + 1) is None
        assert await store.known_pull_request(THERE, told.number) is None

    async def test_older_news_is_dropped(self, store: Store) -> None:
        newer, same = pull_request(updated_at=5.0, title="new"), pull_request(updated_at=5.0, title="same second")
        await _noted(store, pull_request(updated_at=4.0), newer)
        assert not await store.note_pull_request(pull_request(updated_at=4.9, title="old"), now=9.0)
        assert await store.known_pull_request(HERE, 1) == newer
        assert await store.note_pull_request(same, now=9.0)
        assert await store.known_pull_request(HERE, 1) == same

    async def test_a_title_that_is_not_unicode_stops_nothing(self, store: Store) -> None:
        await _noted(store, pull_request(title="bad \udcff"))
        found = await store.known_pull_request(HERE, 1)
        assert found is not None
        assert found.title.startswith("bad")

    async def test_pull_requests_are_listed_by_their_last_change(self, store: Store) -> None:
        await _noted(
            store,
            pull_request(1, updated_at=5.0),
            pull_request(2, updated_at=9.0),
            pull_request(3, updated_at=7.0, state=CLOSED),
            pull_request(4, updated_at=6.0, repository=THERE),
        )
        assert await _numbers(store) == [2, 4, 1]
        assert await _numbers(store, open_only=False) == [2, 3, 4, 1]
        assert await _numbers(store, HERE) == [2, 1]
        assert await _numbers(store, HERE, open_only=False) == [2, 3, 1]
        assert await _numbers(store, HERE, limit=1) == [2]
        assert await _numbers(store, FORK) == []

    async def test_case_does_not_count_and_the_forge_spells(self, store: Store) -> None:
        await store.approve_commit(SHOUTED, sha("a"), by="me", now=1.0)
        await _noted(store, pull_request())
        found = await store.known_pull_request(SHOUTED, 1)
        assert found is not None
        assert found.repository == HERE
        approval = await store.commit_approval(HERE, sha("a"))
        assert approval is not None
        assert approval.repository == HERE
        assert await store.known_pull_request(ELSEWHERE, 1) is None


class ApprovalConformance:
    """What every store does with approvals."""

    async def test_one_commit_is_approved_once(self, store: Store) -> None:
        assert await store.approve_commit(HERE, sha("a"), by="me", now=2.0)
        assert not await store.approve_commit(HERE, sha("a"), by="you", now=3.0)
        assert await store.commit_approval(HERE, sha("a")) == Approval(HERE, sha("a"), "me", 2.0)
        assert await store.commit_approval(HERE, sha("b")) is None
        assert await store.commit_approval(THERE, sha("a")) is None
        assert await store.commit_approval(ELSEWHERE, sha("a")) is None

    async def test_a_person_is_trusted_by_number_until_removed(self, store: Store) -> None:
        assert await store.approve_user("forge", Person("Someone", 7), notes="a \u00fc", now=2.0)
        assert await store.approve_user("forge", Person("else", 8), notes="", now=1.0)
        assert not await store.approve_user("forge", Person("renamed", 7), notes="other", now=9.0)
        assert await store.approved_users("forge") == [
            ApprovedUser(Person("else", 8), 1.0),
            ApprovedUser(Person("renamed", 7), 2.0, "a \u00fc"),
        ]
        assert await store.approved_users("other") == []
        assert not await store.remove_approved_user("forge", "Someone")
        assert not await store.remove_approved_user("other", "renamed")
        assert await store.remove_approved_user("forge", "ReNamed")
        assert [each.person.id for each in await store.approved_users("forge")] == [8]

    async def test_everybody_of_a_login_is_removed(self, store: Store) -> None:
        """A login that was taken by another stands for both."""
        await store.approve_user("forge", Person("same", 7), notes="", now=1.0)
        await store.approve_user("forge", Person("Same", 8), notes="", now=2.0)
        assert await store.remove_approved_user("forge", "same")
        assert await store.approved_users("forge") == []


class RepositoryConformance:
    """What every store does with repositories."""

    async def test_what_was_given_is_told_until_it_is_taken_away(self, store: Store) -> None:
        await store.note_installed("github", "one", [HERE, THERE], now=1.0)
        await store.note_installed("github", "two", [HERE, HERE], now=2.0)
        await store.note_installed("gitlab", "one", [FORK], now=3.0)
        assert await store.installed("github") == [THERE, HERE]
        assert await store.installed() == [THERE, HERE, FORK]
        await store.note_uninstalled("github", "one", [HERE, THERE, RENAMED])
        assert await store.installed("github") == [HERE]
        await store.note_uninstalled("github", "two", [SHOUTED])
        assert await store.installed() == [FORK]

    async def test_all_goes_by_the_new_name(self, store: Store) -> None:
        await _noted(store, pull_request(1), pull_request(2, updated_at=9.0, head_repository=HERE))
        await store.approve_commit(HERE, sha("a"), by="me", now=1.0)
        await store.note_installed("github", "one", [HERE], now=1.0)
        review = await store.ask_review(wish(), ReviewState.QUEUED, now=1.0)
        await store.want_checks([check()], now=1.0)
        await store.rename_repository(HERE, RENAMED)
        await store.rename_repository(THERE, FORK)  # nothing is known of it
        assert await _numbers(store, RENAMED) == [1, 2]
        assert await _numbers(store, HERE) == []
        own = await store.known_pull_request(RENAMED, 2)
        assert own is not None
        assert not own.is_from_fork
        assert await store.commit_approval(RENAMED, sha("a")) == Approval(RENAMED, sha("a"), "me", 1.0)
        assert await store.installed() == [RENAMED]
        assert [each.id for each in await store.reviews_of(RENAMED)] == [review]
        [post] = await store.posts_due(now=1.0, limit=9)
        assert post.check.repository == RENAMED

    async def test_a_fork_goes_by_its_new_name(self, store: Store) -> None:
        await _noted(store, pull_request())
        await store.rename_repository(FORK, RENAMED)
        found = await store.known_pull_request(HERE, 1)
        assert found is not None
        assert found.head_repository == RENAMED

    async def test_a_name_changes_its_case(self, store: Store) -> None:
        await _noted(store, pull_request())
        await store.rename_repository(HERE, SHOUTED)
        found = await store.known_pull_request(HERE, 1)
        assert found is not None
        assert found.repository == SHOUTED

    async def test_what_came_under_the_new_name_before_is_united_with_the_old(self, store: Store) -> None:
        """Deliveries overtake each other, so the new name can be told before the change of it."""
        old_news, new_news = pull_request(1, updated_at=4.0), pull_request(1, updated_at=6.0, repository=RENAMED)
        stale = pull_request(2, updated_at=1.0, repository=RENAMED)
        await _noted(store, old_news, new_news, pull_request(2, head_repository=HERE), stale, pull_request(3))
        await store.approve_commit(HERE, sha("a"), by="me", now=1.0)
        await store.approve_commit(HERE, sha("b"), by="me", now=1.0)
        await store.approve_commit(RENAMED, sha("b"), by="you", now=2.0)
        await store.note_installed("github", "one", [HERE, RENAMED], now=1.0)
        old = await store.ask_review(wish("a"), ReviewState.QUEUED, now=1.0)
        new = await store.ask_review(wish("b", repository=RENAMED), ReviewState.QUEUED, now=2.0)
        await store.ask_review(wish("c", 5), ReviewState.QUEUED, now=1.0)
        twin = await store.ask_review(wish("c", 5, repository=RENAMED), ReviewState.QUEUED, now=2.0)
        await store.want_checks([check("both"), check("old")], now=1.0)
        await store.want_checks([check("both", "new", repository=RENAMED)], now=2.0)

        await store.rename_repository(HERE, RENAMED)

        assert sorted(await _numbers(store)) == sorted(await _numbers(store, RENAMED)) == [1, 2, 3]
        assert await store.known_pull_request(RENAMED, 1) == new_news
        second = await store.known_pull_request(RENAMED, 2)
        assert second is not None
        assert (second.updated_at, second.head_repository) == (10.0, RENAMED)
        by = [await store.commit_approval(RENAMED, sha(letter)) for letter in "ab"]
        assert [each.by for each in by if each] == ["me", "you"]
        assert await store.installed() == [RENAMED]
        reviews = {each.id: each.state for each in await store.reviews_of(RENAMED)}
        assert reviews == {old: ReviewState.SUPERSEDED, new: ReviewState.QUEUED, twin: ReviewState.QUEUED}
        texts = {each.check.context: each.check.text for each in await store.posts_at(RENAMED, sha("a"))}
        assert texts == {"both": "new", "old": ""}


class ForgeFactsConformance(PullRequestConformance, ApprovalConformance, RepositoryConformance):
    """What every store does with what forges told."""
