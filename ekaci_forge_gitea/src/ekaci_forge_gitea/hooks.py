"""Webhooks of repositories, made and looked at through the API.

https://docs.gitea.com/api/1.23/#tag/repository/operation/repoCreateHook
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from ekaci_core.api import Finding, RepositoryId, Secret
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_gitea.client import Call, Client, path_of, strange

FEATURE: Final = "everything that begins with an event of this repository"
# "pull_request" stands for all that happens to one, comments, reviews and new commits included.
EVENTS: Final = (
    "push",
    "pull_request",
    "pull_request_sync",
    "pull_request_comment",
    "pull_request_review",
    "repository",
)
NEEDED: Final = ("push", "pull_request", "pull_request_sync", "pull_request_comment")
_TYPES: Final = ("gitea", "forgejo", "gogs")


@attrs.frozen
class Hook:
    """A webhook that is there."""

    id: int
    url: str
    active: bool
    events: frozenset[str]


class Hooks:
    """Lists webhooks of repositories, makes and corrects them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def of(self, repository: RepositoryId) -> Sequence[Hook]:
        """List those of kinds that we understand.

        Raises:
            ApiFault: no success; 403 where the account is no administrator there.
        """
        call = Call("GET", f"{path_of(repository)}/hooks")
        try:
            found = [_hook(Fields(item)) async for item in self._client.pages(call)]
        except Malformed as error:
            raise strange(error, call) from None
        return [hook for hook in found if hook is not None]

    async def install(self, repository: RepositoryId, url: str, secret: Secret | None) -> Finding:
        """Have the events of a repository sent to ``url``: with one webhook, whatever was there.

        Raises:
            ApiFault: no success.
        """
        if not secret:
            text = "no webhook secret is configured, and without one no delivery is believed"
            return Finding(str(repository), well=False, text=text, feature=FEATURE)
        mine = sorted(each.id for each in await self.of(repository) if _same(each.url, url))
        place = f"{path_of(repository)}/hooks"
        config = {"url": url, "content_type": "json", "secret": secret.reveal()}
        body: dict[str, Any] = {"config": config, "events": list(EVENTS), "active": True, "branch_filter": "*"}
        if not mine:
            await self._client.call(Call("POST", place, body={"type": "gitea", **body}))
            return Finding(str(repository), well=True, text="the webhook was made")
        # Whether its secret is ours cannot be seen, so it is set.
        await self._client.call(Call("PATCH", f"{place}/{mine[0]}", body=body, repeatable=True))
        for more in mine[1:]:
            await self._client.call(Call("DELETE", f"{place}/{more}"))
        said = f"; {len(mine) - 1} more of the same address were removed" if mine[1:] else ""
        return Finding(str(repository), well=True, text=f"the webhook is there, its secret was set again{said}")


def _hook(described: Fields) -> Hook | None:
    if described.text("type", "") not in _TYPES:
        return None
    events = frozenset(each for each in described.values("events") if isinstance(each, str))
    url = described.object("config").text("url", "")
    return Hook(described.number("id"), url, described.flag("active"), events)


def _same(one: str, other: str) -> bool:
    return one.rstrip("/").lower() == other.rstrip("/").lower()
