"""What happened in a project, for servers that no webhook reaches: asked for, and told like deliveries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

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
from ekaci_forge_gitlab.api import PAGE, Api
from ekaci_forge_gitlab.client import Call
from ekaci_forge_gitlab.merge_requests import whole
from ekaci_forge_gitlab.people import is_bot
from ekaci_forge_gitlab.reading import Reader, branch_of

_ON_MERGE_REQUESTS: Final = "MergeRequest"


class News:
    """Asks GitLab; what did not change since the last time is not sent again."""

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
        found += [_changed(each) for each in await self._reader.closed_pull_requests(repository, since)]
        found += [each async for each in self._comments(repository, since)]
        return found

    async def _default_branch(self, repository: RepositoryId) -> BranchPushed | None:
        call = Call("GET", self._api.path_of(repository), conditional=True)
        try:
            described = Fields((await self._api.send(call)).data)
            # A project without a commit has none.
            branch = described.branch("default_branch") if described.has("default_branch") else None
            commit = await branch_of(self._api, repository, branch) if branch is not None else None
            if branch is None or commit is None:
                return None
            parents = [Fields({"parent": each}).sha("parent") for each in commit.values("parent_ids")]
            before = parents[0] if parents else None
            return BranchPushed(repository, branch, before, commit.sha("id"), is_default=True, actor=None)
        except Malformed as error:
            self._log(repository, error)
            return None

    async def _comments(self, repository: RepositoryId, since: float) -> AsyncIterator[CommentCreated]:
        """Look through the project's activity: notes themselves can be listed for each merge request alone.

        https://docs.gitlab.com/api/events/#list-all-visible-events-for-a-project
        """
        # Days, of which the one that is named is left out.
        day = (datetime.fromtimestamp(since, UTC) - timedelta(days=1)).date().isoformat() if since > 0 else "1970-01-01"
        query: dict[str, str | int] = {"action": "commented", "after": day, "sort": "asc", "per_page": PAGE}
        call = Call("GET", f"{self._api.path_of(repository)}/events", query, conditional=True)
        async for item in self._api.pages(call):
            try:
                event = Fields(item)
                note = event.object("note") if event.has("note") else None
                if note is None or note.text("noteable_type", "") != _ON_MERGE_REQUESTS or note.flag("system"):
                    continue
                if note.time("created_at") > since:
                    yield _said(repository, note)
            except Malformed as error:
                self._log(repository, error)

    def _log(self, repository: RepositoryId, error: Malformed) -> None:
        self._api.log.warning("news_not_understood", repository=str(repository), reason=str(error))


def _changed(pull: PullRequest) -> PullRequestChanged:
    closed = pull.state is not PullRequestState.OPEN
    action = PullRequestAction.CLOSED if closed else PullRequestAction.SYNCHRONIZED
    return PullRequestChanged(action, pull, pull.author)


def _said(repository: RepositoryId, note: Fields) -> CommentCreated:
    author = note.person("author", "username")
    return CommentCreated(
        repository=repository,
        number=note.number("noteable_iid"),
        comment=note.number("id"),
        body=note.text("body"),
        author=author,
        by_bot=is_bot(author),
        created_at=whole(note.time("created_at")),
    )
