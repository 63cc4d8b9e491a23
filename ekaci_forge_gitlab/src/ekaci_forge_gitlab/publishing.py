"""Showing checks as commit statuses."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, Final
from weakref import WeakValueDictionary

import anyio
import attrs

from ekaci_core.api import Check, InfrastructureFault, Published, PublishFailed, UsageFault
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_gitlab.api import PAGE, Api, strange
from ekaci_forge_gitlab.client import Call, Reply
from ekaci_forge_gitlab.failures import AT_ONCE_SECONDS, failed
from ekaci_forge_gitlab.faults import BAD_REQUEST, NOT_FOUND, ApiFault, one_line
from ekaci_forge_gitlab.places import Place, place_of
from ekaci_forge_gitlab.statuses import Unpublishable, body_of

# Pipeline and status, each as a column of 64 bits holds it.
_REMOTE: Final = re.compile(r"([1-9][0-9]{0,17})-[1-9][0-9]{0,17}")
# Asked to begin what has begun, GitLab refuses: https://gitlab.com/gitlab-org/gitlab-foss/-/issues/25807
_SAME: Final = "Cannot transition status"
_UNDER_WAY: Final = ("pending", "running")
_REMEMBERED: Final = 1000


@attrs.frozen
class Standing:
    """A status that is at GitLab."""

    pipeline: int
    number: int
    state: str
    description: str
    target_url: str

    @property
    def remote(self) -> str:
        """What names it to the core."""
        return f"{self.pipeline}-{self.number}"

    def says(self, body: dict[str, Any]) -> bool:
        """Whether it is what is wanted, word for word."""
        wanted = (body["state"], body["description"], body.get("target_url", ""))
        return (self.state, self.description, self.target_url) == wanted

    def serves(self, state: str) -> bool:
        """Whether it may stay where ``state`` is wanted: both say that there is no result yet."""
        return state == self.state or (state in _UNDER_WAY and self.state in _UNDER_WAY)


class Publisher:
    """Writes commit statuses."""

    def __init__(self, api: Api) -> None:
        self._api = api
        # Two statuses that come at once make two pipelines: https://gitlab.com/gitlab-org/gitlab/-/issues/13134
        self._locks: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()
        self._pipelines: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Show a check, in the pipeline of the status named ``remote``, of one with its name, or where it belongs."""
        named = _REMOTE.fullmatch(remote) if remote is not None else None
        if remote is not None and named is None:
            return PublishFailed(
                f"not a commit status of GitLab: {one_line(remote, 40)!r}", AT_ONCE_SECONDS, forget=True
            )
        at = (str(check.repository), str(check.sha))
        lock = self._locks.setdefault(at, anyio.Lock())
        try:
            async with lock:
                standing = await self._shown(check, body_of(check), at, int(named[1]) if named else None)
        except Unpublishable as error:
            return PublishFailed(str(error))
        except (InfrastructureFault, UsageFault) as fault:
            self._pipelines.pop(at, None)
            return failed(fault, had_remote=remote is not None)
        self._pipelines[at] = standing.pipeline
        while len(self._pipelines) > _REMEMBERED:
            self._pipelines.popitem(last=False)
        return Published(standing.remote)

    async def _shown(self, check: Check, body: dict[str, Any], at: tuple[str, str], pipeline: int | None) -> Standing:
        if pipeline is not None:
            return await self._posted(check, body, Place(pipeline))
        # One that an earlier attempt made, whose answer or note was lost.
        known = await self._found(check, body["name"])
        if known is not None:
            return known if known.says(body) else await self._posted(check, body, Place(known.pipeline))
        if at in self._pipelines:
            # All that we say of a commit stands in one pipeline.
            return await self._posted(check, body, Place(self._pipelines[at]))
        return await self._posted(check, body, await place_of(self._api, check.repository, check.sha))

    async def _posted(self, check: Check, body: dict[str, Any], place: Place) -> Standing:
        call = Call(
            "POST", f"{self._api.path_of(check.repository)}/statuses/{check.sha}", body={**body, **place.fields}
        )
        try:
            reply = await self._api.send(call)
        except ApiFault as fault:
            if fault.status != BAD_REQUEST or _SAME not in fault.what:
                raise
            known = await self._found(check, body["name"])
            if known is None or not known.serves(body["state"]):
                raise
            return known
        return _standing(reply, call)

    async def _found(self, check: Check, name: str) -> Standing | None:
        """Look for the newest status of a name at a commit; what a later one replaced GitLab leaves out."""
        path = f"{self._api.path_of(check.repository)}/repository/commits/{check.sha}/statuses"
        call = Call("GET", path, {"name": name, "per_page": PAGE})
        try:
            found = [
                _standing(Reply(200, item), call)
                async for item in self._api.pages(call)
                if isinstance(item, dict) and item.get("name") == name
            ]
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                # The commit; writing says so as well, and better.
                return None
            raise
        return max(found, key=lambda each: each.number, default=None)


def _standing(reply: Reply, call: Call) -> Standing:
    try:
        described = Fields(reply.data)
        return Standing(
            described.number("pipeline_id"),
            described.number("id"),
            described.text("status"),
            described.text("description", ""),
            described.text("target_url", ""),
        )
    except Malformed as error:
        # It was done, and is found by its name the next time.
        raise strange(error, call) from None
