"""Showing statuses and comments."""

from __future__ import annotations

import re
from typing import Any, Final

from ekaci_core.api import Check, EkaciError, InfrastructureFault, Published, PublishFailed, RepositoryId, UsageFault
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_gitea.client import Call, Client, path_of, strange
from ekaci_forge_gitea.faults import CONFLICT, GONE, NOT_FOUND, SERVER_ERROR, UNAUTHORIZED, ApiFault, one_line
from ekaci_forge_gitea.statuses import Status, Unpublishable, cut, status_of

# As a column of 64 bits holds it.
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_AGAIN_SECONDS: Final = 15.0
_NO_TOKEN_SECONDS: Final = 60.0
_AT_ONCE_SECONDS: Final = 1.0
_BAD_REQUEST: Final = 400


class Publisher:
    """Writes commit statuses and comments."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def publish(self, check: Check) -> Published | PublishFailed:
        """Show a check as a status.

        A status cannot be changed, and none goes away: each write adds one, of which the newest of a name counts. What
        stands there is looked at first, so that an answer that was lost adds nothing.
        """
        try:
            wanted = status_of(check)
            place = path_of(check.repository)
            there = await self._standing(place, check.sha, wanted.context)
            if there is not None and there[1] == wanted:
                return Published(there[0])
            call = Call("POST", f"{place}/statuses/{check.sha}", body=wanted.body)
            return Published(_number((await self._client.call(call)).data, call))
        except Unpublishable as error:
            return PublishFailed(str(error))
        except (InfrastructureFault, UsageFault) as fault:
            return _failed(fault, had_remote=False)

    async def _standing(self, place: str, sha: str, context: str) -> tuple[str, Status] | None:
        """Return the newest status of a name, and how it is called; the list has the newest of each name alone."""
        call = Call("GET", f"{place}/commits/{sha}/status")
        found: dict[int, Status] = {}
        try:
            async for item in self._client.pages(call, "statuses"):
                described = Fields(item)
                if described.text("context", "") == context:
                    found[described.number("id")] = Status(
                        described.text("status"),
                        context,
                        described.text("description", ""),
                        described.text("target_url", ""),
                    )
        except Malformed as error:
            raise strange(error, call) from None
        return (str(max(found)), found[max(found)]) if found else None

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Write a comment on a pull request, or change the one named ``remote``."""
        document = {"body": cut(body)}
        if remote is not None and not _NUMBER.fullmatch(remote):
            return PublishFailed(f"not a comment of Gitea: {one_line(remote, 40)!r}", _AT_ONCE_SECONDS, forget=True)
        if remote is None:
            call = Call("POST", f"{path_of(repository)}/issues/{int(number)}/comments", body=document)
        else:
            call = Call("PATCH", f"{path_of(repository)}/issues/comments/{remote}", body=document, repeatable=True)
        try:
            reply = await self._client.call(call)
            return Published(remote or _number(reply.data, call))
        except (InfrastructureFault, UsageFault) as fault:
            return _failed(fault, had_remote=remote is not None)

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool, log: Any) -> None:
        """Answer a comment by a thumb; one that is gone needs no answer."""
        path = f"{path_of(repository)}/issues/comments/{int(comment)}/reactions"
        call = Call("POST", path, body={"content": "+1" if accepted else "-1"}, repeatable=True)
        try:
            await self._client.call(call)
        except ApiFault as fault:
            if fault.status not in (NOT_FOUND, GONE):
                raise
            log.debug("comment_gone", repository=str(repository), comment=comment)


def _failed(fault: EkaciError, *, had_remote: bool) -> PublishFailed:
    """Say what became of a write, and when to try again."""
    reason = str(fault)
    if not isinstance(fault, ApiFault):
        return PublishFailed(reason, _NO_TOKEN_SECONDS)
    if fault.retry_after_seconds is not None:
        return PublishFailed(reason, fault.retry_after_seconds, limited=fault.status < SERVER_ERROR)
    if fault.status in (NOT_FOUND, GONE) and had_remote:
        return PublishFailed(reason, _AT_ONCE_SECONDS, forget=True)
    if fault.status == UNAUTHORIZED:
        return PublishFailed(reason, _NO_TOKEN_SECONDS)
    if _BAD_REQUEST <= fault.status < SERVER_ERROR and fault.status != CONFLICT:
        return PublishFailed(reason)
    # No answer, one that is none, or one that may be another the next time.
    return PublishFailed(reason, _AGAIN_SECONDS)


def _number(described: object, call: Call) -> str:
    try:
        return str(Fields(described).number("id"))
    except Malformed as error:
        # It was done, and is found the next time.
        raise strange(error, call) from None
