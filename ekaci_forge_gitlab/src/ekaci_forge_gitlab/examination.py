"""What the token may do, beside what is needed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs

from ekaci_core.api import Finding, Permissions, RepositoryId
from ekaci_core.api.fields import Fields, Malformed, moment
from ekaci_forge_gitlab.api import PAGE, Api, strange
from ekaci_forge_gitlab.client import Call
from ekaci_forge_gitlab.faults import BAD_REQUEST, NOT_FOUND, ApiFault, one_line
from ekaci_forge_gitlab.merge_requests import PATH

DEVELOPER: Final = 30
MAINTAINER: Final = 40
_SOON_SECONDS: Final = 14 * 86_400


@attrs.frozen
class Granted:
    """What a token is for: ``expires_at`` in seconds since the epoch, None where it does not expire."""

    scopes: frozenset[str]
    expires_at: float | None


async def examine(api: Api, permitted: Permissions) -> Sequence[Finding]:
    """Ask for the token, its account and its projects, and compare."""
    call = Call("GET", "/user")
    try:
        login = one_line(Fields((await api.send(call)).data).text("username", "?"))
        found = [Finding(login, well=True, text=f"GitLab at {api.addresses.host} knows the token")]
        granted = await _granted(api)
        if granted is not None:
            found += of_token(login, granted, api.clock.now())
        return [*found, *await _of_projects(api, permitted, login)]
    except Malformed as error:
        raise strange(error, call) from None


def of_token(subject: str, granted: Granted, now: float) -> list[Finding]:
    """Compare scopes and expiry with what is needed. Pure."""
    well = "api" in granted.scopes
    feature = "" if well else "statuses, notes and webhooks: no result is shown"
    found = [Finding(subject, well=well, text="scope api", feature=feature)]
    if granted.expires_at is not None:
        day = datetime.fromtimestamp(granted.expires_at, UTC).date().isoformat()
        lasts = granted.expires_at - now > _SOON_SECONDS
        found.append(Finding(subject, well=lasts, text=f"expires on {day}", feature="" if lasts else "all, from then"))
    return found


async def _granted(api: Api) -> Granted | None:
    """Ask for the token itself; None where it is no access token, but one of OAuth.

    https://docs.gitlab.com/api/personal_access_tokens/#self-inform
    """
    call = Call("GET", "/personal_access_tokens/self")
    try:
        described = Fields((await api.send(call)).data)
    except ApiFault as fault:
        if fault.status in (BAD_REQUEST, NOT_FOUND):
            return None
        raise
    scopes: Collection[object] = described.values("scopes")
    expiry = moment(described.text("expires_at"), "expires_at") if described.has("expires_at") else None
    return Granted(frozenset(str(each) for each in scopes), expiry)


async def _of_projects(api: Api, permitted: Permissions, login: str) -> list[Finding]:
    query: dict[str, str | int] = {"membership": "true", "archived": "false", "order_by": "id", "sort": "asc"}
    query |= {"pagination": "keyset", "per_page": PAGE}
    found: list[Finding] = []
    async for item in api.pages(Call("GET", "/projects", query)):
        described = Fields(item)
        try:
            repository = described.repository(api.addresses.host, PATH)
        except Malformed:
            continue  # `repositories` logs it
        if permitted.allows_repository(repository.path):
            found += of_project(repository, _level(described))
    if not found:
        none = "is a member of no project that the configuration allows"
        found.append(Finding(login, well=False, text=none, feature="everything"))
    return found


def of_project(repository: RepositoryId, level: int) -> list[Finding]:
    """Compare the account's role in a project with what is needed. Pure."""
    subject = str(repository)
    well = level >= DEVELOPER
    feature = "" if well else "statuses and notes: no result is shown"
    text = "role Developer"
    if level >= MAINTAINER:
        text += ", and Maintainer: `ekaci forge setup` can make the webhook"
    return [Finding(subject, well=well, text=text, feature=feature)]


def _level(described: Fields) -> int:
    """Return the highest role, of the project itself or of a group."""
    granted = described.object("permissions") if described.has("permissions") else Fields({})
    levels = [
        granted.object(key).number("access_level")
        for key in ("project_access", "group_access")
        if granted.has(key) and granted.object(key).has("access_level")
    ]
    return max(levels, default=0)
