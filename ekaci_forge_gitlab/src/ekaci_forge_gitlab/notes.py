"""Notes on merge requests, and signs at them.

https://docs.gitlab.com/api/notes/#merge-requests
"""

from __future__ import annotations

import re
from typing import Any, Final

from ekaci_core.api import InfrastructureFault, Published, PublishFailed, RepositoryId, UsageFault
from ekaci_core.api.fields import Fields, Malformed, clean
from ekaci_forge_gitlab.api import PAGE, Api, strange
from ekaci_forge_gitlab.client import Call
from ekaci_forge_gitlab.failures import AT_ONCE_SECONDS, failed
from ekaci_forge_gitlab.faults import NOT_FOUND, ApiFault, one_line

# https://docs.gitlab.com/administration/instance_limits/#size-of-comments-and-descriptions-of-issues-merge-requests-and-epics
CHARACTERS: Final = 1_000_000
_MARK: Final = "\n\n*Cut here: {left} more characters do not fit.*\n"
_SPARE: Final = 100
_FENCE: Final = "```"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_TAKEN: Final = "has already been taken"
# By the note alone: the REST API wants the merge request's number as well, which is not known where one is answered.
# https://docs.gitlab.com/api/graphql/reference/#mutationawardemojiadd
_REACT: Final = """
mutation($note: AwardableID!, $name: String!) {
  awardEmojiAdd(input: {awardableId: $note, name: $name}) { errors }
}
"""


class Notes:
    """Writes notes, and finds our own."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Write a note on a merge request, or change the one named ``remote``."""
        if remote is not None and not _NUMBER.fullmatch(remote):
            return PublishFailed(f"not a note of GitLab: {one_line(remote, 40)!r}", AT_ONCE_SECONDS, forget=True)
        document = {"body": cut(body)}
        try:
            path = self._path(repository, number)
            if remote is None:
                call = Call("POST", path, body=document)
            else:
                call = Call("PUT", f"{path}/{remote}", body=document, repeatable=True)
            reply = await self._api.send(call)
            return Published(remote or str(_number(reply.data, call)))
        except (InfrastructureFault, UsageFault) as fault:
            return failed(fault, had_remote=remote is not None)

    async def find(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Name the oldest note of our own account with a mark in it, None without one."""
        query: dict[str, str | int] = {"sort": "asc", "order_by": "created_at", "per_page": PAGE}
        call = Call("GET", self._path(repository, number), query)
        own: int | None = None
        try:
            async for item in self._api.pages(call):
                note = Fields(item)
                if note.flag("system") or mark not in note.text("body", "") or not note.has("author"):
                    continue
                own = own or await self._own()
                if note.object("author").number("id") == own:
                    return str(note.number("id"))
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return None
            raise
        except Malformed as error:
            raise strange(error, call) from None
        return None

    async def _own(self) -> int:
        call = Call("GET", "/user", conditional=True)
        return _number((await self._api.send(call)).data, call)

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Answer a note by a thumb; one that is gone needs no answer."""
        self._api.path_of(repository)  # it is at this forge
        name = "thumbsup" if accepted else "thumbsdown"
        variables = {"note": f"gid://gitlab/Note/{int(comment)}", "name": name}
        body = {"query": _REACT, "variables": variables}
        call = Call("POST", self._api.addresses.graphql, body=body, repeatable=True)
        said = _refusals((await self._api.send(call)).data, call)
        if said and _TAKEN not in said:
            self._api.log.debug("note_not_answered", repository=str(repository), note=comment, reason=said)

    def _path(self, repository: RepositoryId, number: int) -> str:
        return f"{self._api.path_of(repository)}/merge_requests/{int(number)}/notes"


def cut(text: str) -> str:
    """Return a text that fits, with a mark where something is missing. Pure."""
    whole = clean(text)
    if len(whole) <= CHARACTERS:
        return whole
    kept = whole[: CHARACTERS - _SPARE]
    line_end = kept.rfind("\n", len(kept) * 9 // 10)
    if line_end > 0:
        kept = kept[:line_end]
    # What stands open would show the mark as part of a log.
    fenced = sum(line.startswith(_FENCE) for line in kept.splitlines()) % 2
    closing = f"\n{_FENCE}" if fenced else ""
    return kept + closing + _MARK.format(left=len(whole) - len(kept))


def _refusals(answer: Any, call: Call) -> str:
    """Return what GraphQL refuses, with status 200 too: of the whole, or of the mutation."""
    try:
        described = Fields(answer)
        told = [each.text("message", "") for each in described.objects("errors")]
        if described.has("data") and described.object("data").has("awardEmojiAdd"):
            told += map(str, described.object("data").object("awardEmojiAdd").values("errors"))
    except Malformed as error:
        raise strange(error, call) from None
    return one_line("; ".join(told))


def _number(described: object, call: Call) -> int:
    try:
        return Fields(described).number("id")
    except Malformed as error:
        raise strange(error, call) from None
