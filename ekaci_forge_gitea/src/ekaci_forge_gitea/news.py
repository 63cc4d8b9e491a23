"""What happened in a repository, for instances that cannot reach us: asked for, and told like deliveries.

https://docs.gitea.com/api/1.23/#tag/issue/operation/issueGetRepoComments
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from ekaci_core.api import (
    BranchPushed,
    CommentCreated,
    ForgeEvent,
    Logger,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
    RepositoryId,
)
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_gitea.client import Call, Client, path_of
from ekaci_forge_gitea.faults import CONFLICT, NOT_FOUND, ApiFault
from ekaci_forge_gitea.pull_requests import is_nobody, person_of, pull_request_of
from ekaci_forge_gitea.reading import Reader

# An empty repository has no branch.
_NO_COMMITS: Final = (NOT_FOUND, CONFLICT)


class News:
    """Asks Gitea."""

    def __init__(self, client: Client, reader: Reader, log: Logger) -> None:
        self._client = client
        self._reader = reader
        self._log = log

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
        place = path_of(repository)
        try:
            branch = Fields((await self._client.call(Call("GET", place))).data).branch("default_branch")
            tip = Fields((await self._client.call(Call("GET", f"{place}/branches/{quote(branch, safe='')}"))).data)
            after = tip.object("commit").sha("id")
            query: dict[str, str | int] = {"stat": "false", "verification": "false", "files": "false"}
            commit = Fields((await self._client.call(Call("GET", f"{place}/git/commits/{after}", query))).data)
            parents = [each.sha("sha") for each in commit.objects("parents")]
        except Malformed as error:
            self._not_understood(repository, "default branch", error)
            return None
        except ApiFault as fault:
            if fault.status not in _NO_COMMITS:
                raise
            return None
        before = parents[0] if parents else None
        return BranchPushed(repository, branch, before, after, is_default=True, actor=None)

    async def _closed(self, repository: RepositoryId, since: float) -> AsyncIterator[PullRequest]:
        call = Call("GET", f"{path_of(repository)}/pulls", {"state": "closed", "sort": "recentupdate"})
        async for item in self._client.pages(call):
            try:
                described = pull_request_of(Fields(item), repository)
            except Malformed as error:
                self._not_understood(repository, "pull request", error)
                continue
            if described.updated_at <= since:
                return
            yield described

    async def _comments(self, repository: RepositoryId, since: float) -> AsyncIterator[CommentCreated]:
        moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        async for item in self._client.pages(Call("GET", f"{path_of(repository)}/issues/comments", {"since": moment})):
            try:
                comment = Fields(item)
                number = _pull_request_number(comment)
                if number is not None and comment.time("created_at") > since:
                    yield _created(repository, number, comment)
            except Malformed as error:
                self._not_understood(repository, "comment", error)

    def _not_understood(self, repository: RepositoryId, what: str, error: Malformed) -> None:
        self._log.warning("news_not_understood", repository=str(repository), what=what, reason=str(error))


def _changed(pull: PullRequest) -> PullRequestChanged:
    closed = pull.state is not PullRequestState.OPEN
    action = PullRequestAction.CLOSED if closed else PullRequestAction.SYNCHRONIZED
    return PullRequestChanged(action, pull, pull.author)


def _pull_request_number(comment: Fields) -> int | None:
    """The number of the pull request that a comment is on; None where it is on an issue."""
    parts = urlsplit(comment.text("pull_request_url", "")).path.split("/")
    number = parts[-1]
    return int(number) if len(parts) > 1 and parts[-2] == "pulls" and number.isdecimal() else None


def _created(repository: RepositoryId, number: int, comment: Fields) -> CommentCreated:
    author = person_of(comment, "user")
    return CommentCreated(
        repository=repository,
        number=number,
        comment=comment.number("id"),
        body=comment.text("body"),
        author=author,
        by_bot=is_nobody(author),
        created_at=comment.time("created_at"),
    )
