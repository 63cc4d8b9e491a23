"""What happened in a repository, for apps that no webhook reaches: asked for, and told like deliveries.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#use-conditional-requests-if-appropriate
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ekaci_core.api import (
    BranchPushed,
    CommentCreated,
    ForgeEvent,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
    RepositoryId,
)
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_github.api import PAGE, Api
from ekaci_forge_github.client import Call
from ekaci_forge_github.faults import NOT_FOUND, ApiFault, NotInstalled
from ekaci_forge_github.pull_requests import pull_request_of
from ekaci_forge_github.reading import Reader
from ekaci_forge_github.tokens import path_of
from ekaci_forge_github.uses import Use

# An empty repository has no commits: https://docs.github.com/en/rest/commits/commits#get-a-commit
_NO_COMMITS: Final = (NOT_FOUND, 409, 422)


class News:
    """Asks GitHub; what did not change since the last time is not sent again."""

    def __init__(self, api: Api, reader: Reader) -> None:
        self._api = api
        self._reader = reader

    async def since(self, repository: RepositoryId, since: float) -> Sequence[ForgeEvent]:
        """Return what happened after a time; what cannot be understood is left out and logged."""
        found: list[ForgeEvent] = []
        tip = await self._default_branch(repository)
        if tip is not None:
            found.append(tip)
        found += [_changed(each) for each in await self._reader.open_pull_requests(repository)]
        found += [_changed(each) async for each in self._closed(repository, since)]
        found += [each async for each in self._comments(repository, since)]
        return found

    async def _default_branch(self, repository: RepositoryId) -> BranchPushed | None:
        described = await self._api.on(repository, Use.METADATA, Call("GET", path_of(repository), conditional=True))
        try:
            branch = Fields(described.data).branch("default_branch")
            call = Call("GET", f"{path_of(repository)}/commits/{quote(branch)}", conditional=True)
            commit = Fields((await self._api.on(repository, Use.CONTENTS, call)).data)
            parents = [each.sha("sha") for each in commit.objects("parents")]
            after = commit.sha("sha")
        except Malformed as error:
            self._log(repository, "default branch", error)
            return None
        except NotInstalled:
            raise
        except ApiFault as fault:
            if fault.status not in _NO_COMMITS:
                raise
            return None
        before = parents[0] if parents else None
        return BranchPushed(repository, branch, before, after, is_default=True, actor=None)

    async def _closed(self, repository: RepositoryId, since: float) -> AsyncIterator[PullRequest]:
        query: dict[str, str | int] = {"state": "closed", "sort": "updated", "direction": "desc", "per_page": PAGE}
        async for item in self._items(repository, Use.PULL_REQUESTS, "pulls", query):
            try:
                described = pull_request_of(Fields(item), repository)
            except Malformed as error:
                self._log(repository, "pull request", error)
                continue
            if described.updated_at <= since:
                return
            yield described

    async def _comments(self, repository: RepositoryId, since: float) -> AsyncIterator[CommentCreated]:
        moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query: dict[str, str | int] = {"sort": "updated", "direction": "asc", "since": moment, "per_page": PAGE}
        async for item in self._items(repository, Use.PULL_REQUESTS, "issues/comments", query):
            try:
                comment = Fields(item)
                number = _pull_request_number(comment)
                if number is not None and comment.time("created_at") > since:
                    yield _created(repository, number, comment)
            except Malformed as error:
                self._log(repository, "comment", error)

    def _items(self, repository: RepositoryId, use: Use, what: str, query: dict[str, str | int]) -> AsyncIterator[Any]:
        call = Call("GET", f"{path_of(repository)}/{what}", query, conditional=True)
        return self._api.pages_on(repository, use, call)

    def _log(self, repository: RepositoryId, what: str, error: Malformed) -> None:
        self._api.log.warning("news_not_understood", repository=str(repository), what=what, reason=str(error))


def _changed(pull: PullRequest) -> PullRequestChanged:
    closed = pull.state is not PullRequestState.OPEN
    action = PullRequestAction.CLOSED if closed else PullRequestAction.SYNCHRONIZED
    return PullRequestChanged(action, pull, pull.author)


def _pull_request_number(comment: Fields) -> int | None:
    """The number of the pull request that a comment is on; None where it is on an issue."""
    parts = urlsplit(comment.text("html_url")).path.split("/")
    return int(parts[-1]) if len(parts) > 1 and parts[-2] == "pull" and parts[-1].isdecimal() else None


def _created(repository: RepositoryId, number: int, comment: Fields) -> CommentCreated:
    return CommentCreated(
        repository=repository,
        number=number,
        comment=comment.number("id"),
        body=comment.text("body"),
        author=comment.person("user"),
        by_bot=comment.object("user").text("type", "User") == "Bot",
        created_at=comment.time("created_at"),
    )
