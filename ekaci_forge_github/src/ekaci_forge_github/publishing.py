"""Showing checks and comments."""

from __future__ import annotations

import re
from typing import Any, Final

from ekaci_core.api import Check, EkaciError, InfrastructureFault, Published, PublishFailed, RepositoryId, UsageFault
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_github.api import PAGE, Api
from ekaci_forge_github.check_body import (
    ANNOTATIONS,
    COMMENT_BYTES,
    Unpublishable,
    annotation_bodies,
    body_of,
    cut,
)
from ekaci_forge_github.client import Call
from ekaci_forge_github.faults import CONFLICT, GONE, NOT_FOUND, SERVER_ERROR, UNAUTHORIZED, ApiFault, one_line
from ekaci_forge_github.tokens import path_of
from ekaci_forge_github.uses import Use

# As a column of 64 bits holds it.
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_AGAIN_SECONDS: Final = 15.0
_NO_KEY_SECONDS: Final = 60.0
_AT_ONCE_SECONDS: Final = 1.0
_BAD_REQUEST: Final = 400


class Publisher:
    """Writes check runs and comments."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Show a check: change the run named ``remote``, or the one with the same external id, or make one."""
        try:
            body, annotations = body_of(check), annotation_bodies(check.annotations)
            if remote is not None and not _NUMBER.fullmatch(remote):
                return PublishFailed(
                    f"not a check run of GitHub: {one_line(remote, 40)!r}", _AT_ONCE_SECONDS, forget=True
                )
            run = remote or await self._found(check, body)
            if run is None:
                run = await self._made(check, body | {"head_sha": check.sha}, annotations[:ANNOTATIONS])
                rest = annotations[ANNOTATIONS:]
            else:
                rest = await self._missing(check, run, annotations)
                await self._changed(check, run, body, rest[:ANNOTATIONS])
                rest = rest[ANNOTATIONS:]
            while rest:
                await self._changed(check, run, {"output": _heading(body)}, rest[:ANNOTATIONS])
                rest = rest[ANNOTATIONS:]
        except Unpublishable as error:
            return PublishFailed(str(error))
        except (InfrastructureFault, UsageFault) as fault:
            return _failed(fault, had_remote=remote is not None)
        return Published(run)

    async def _found(self, check: Check, body: dict[str, Any]) -> str | None:
        """Look for a run that an earlier attempt made, whose answer or note was lost."""
        if not check.external_id:
            return None
        query: dict[str, str | int] = {"check_name": body["name"], "filter": "all", "per_page": PAGE}
        number = (await self._api.keys.key()).number
        if number is not None:
            query["app_id"] = number
        call = Call("GET", f"{path_of(check.repository)}/commits/{check.sha}/check-runs", query)
        runs = [
            _number(item, call)
            async for item in self._api.pages_on(check.repository, Use.CHECKS, call, "check_runs")
            if isinstance(item, dict) and item.get("external_id") == check.external_id
        ]
        return str(max(runs)) if runs else None

    async def _made(self, check: Check, body: dict[str, Any], annotations: list[dict[str, Any]]) -> str:
        call = Call("POST", f"{path_of(check.repository)}/check-runs", body=_with(body, annotations))
        reply = await self._api.on(check.repository, Use.CHECKS, call)
        return str(_number(reply.data, call))

    async def _changed(self, check: Check, run: str, body: dict[str, Any], annotations: list[dict[str, Any]]) -> None:
        call = Call("PATCH", f"{path_of(check.repository)}/check-runs/{run}", body=_with(body, annotations))
        await self._api.on(check.repository, Use.CHECKS, call)

    async def _missing(self, check: Check, run: str, annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those that are not there yet: what is sent with a change is added to what is there."""
        if not annotations:
            return []
        call = Call("GET", f"{path_of(check.repository)}/check-runs/{run}/annotations", {"per_page": PAGE})
        there = [_mark(item) async for item in self._api.pages_on(check.repository, Use.CHECKS, call)]
        return [each for each in annotations if _mark(each) not in there]

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Write a comment on a pull request, or change the one named ``remote``."""
        document = {"body": cut(body, COMMENT_BYTES)}
        if remote is not None and not _NUMBER.fullmatch(remote):
            return _unknown("comment", remote)
        if remote is None:
            call = Call("POST", f"{path_of(repository)}/issues/{int(number)}/comments", body=document)
        else:
            call = Call("PATCH", f"{path_of(repository)}/issues/comments/{remote}", body=document)
        try:
            reply = await self._api.on(repository, Use.COMMENTS, call)
            return Published(remote or str(_number(reply.data, call)))
        except (InfrastructureFault, UsageFault) as fault:
            return _failed(fault, had_remote=remote is not None)

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Answer a comment by a thumb; one that is gone needs no answer."""
        address = f"{path_of(repository)}/issues/comments/{int(comment)}/reactions"
        call = Call("POST", address, body={"content": "+1" if accepted else "-1"}, repeatable=True)
        try:
            await self._api.on(repository, Use.COMMENTS, call)
        except ApiFault as fault:
            if fault.status not in (NOT_FOUND, GONE):
                raise
            self._api.log.debug("comment_gone", repository=str(repository), comment=comment)


def _unknown(kind: str, remote: str) -> PublishFailed:
    return PublishFailed(f"not a {kind} of GitHub: {one_line(remote, 40)!r}", _AT_ONCE_SECONDS, forget=True)


def _failed(fault: EkaciError, *, had_remote: bool) -> PublishFailed:
    """Say what became of a write, and when to try again."""
    reason = str(fault)
    if not isinstance(fault, ApiFault):
        return PublishFailed(reason, _NO_KEY_SECONDS)
    if fault.retry_after_seconds is not None:
        return PublishFailed(reason, fault.retry_after_seconds, limited=fault.status < SERVER_ERROR)
    if fault.status in (NOT_FOUND, GONE) and had_remote:
        return PublishFailed(reason, _AT_ONCE_SECONDS, forget=True)
    if fault.status == UNAUTHORIZED:
        return PublishFailed(reason, _NO_KEY_SECONDS)
    if _BAD_REQUEST <= fault.status < SERVER_ERROR and fault.status != CONFLICT:
        return PublishFailed(reason)
    # No answer, one that is none, or one that may be another the next time.
    return PublishFailed(reason, _AGAIN_SECONDS)


def _with(body: dict[str, Any], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return body | {"output": body["output"] | {"annotations": annotations}} if annotations else body


def _heading(body: dict[str, Any]) -> dict[str, Any]:
    """What GitHub wants beside annotations, and takes as a change: the same again."""
    output: dict[str, Any] = body["output"]
    return output


def _mark(annotation: object) -> tuple[object, ...]:
    found = annotation if isinstance(annotation, dict) else {}
    # GitHub gives back null where there was no title.
    return tuple(found.get(key) or "" for key in ("path", "start_line", "annotation_level", "title", "message"))


def _number(described: object, call: Call) -> int:
    try:
        return Fields(described).number("id")
    except Malformed as error:
        # It was done, and how it is called is found by its external id the next time.
        raise ApiFault(f"GitHub's answer is not understood: {error}", where=call.shown) from None
