"""Deliveries that did not reach us, asked for again.

https://docs.github.com/en/rest/apps/webhooks#list-deliveries-for-an-app-webhook
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import attrs

from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_github.api import PAGE, Api
from ekaci_forge_github.client import Call
from ekaci_forge_github.faults import NOT_FOUND, UNPROCESSABLE, ApiFault

MOST_ATTEMPTS: Final = 5
"""What was refused so often is not asked for again."""
MOST_AT_ONCE: Final = 200
_BAD_REQUEST: Final = 400


@attrs.frozen
class Attempt:
    """One attempt at a delivery. ``id`` names the attempt, ``name`` the delivery, the same for all its attempts."""

    id: int
    name: str
    delivered_at: float


def missing(attempts: Iterable[Attempt], known: Collection[str]) -> list[Attempt]:
    """Return the newest attempt of each delivery that is not known, the oldest delivery first. Pure."""
    newest: dict[str, Attempt] = {}
    counts: dict[str, int] = {}
    for attempt in attempts:
        counts[attempt.name] = counts.get(attempt.name, 0) + 1
        there = newest.get(attempt.name)
        if there is None or attempt.id > there.id:
            newest[attempt.name] = attempt
    names = set(known)
    wanted = [each for each in newest.values() if each.name not in names and counts[each.name] < MOST_ATTEMPTS]
    return sorted(wanted, key=lambda each: (each.delivered_at, each.id))[:MOST_AT_ONCE]


async def ask_again(api: Api, *, since: float, known: Collection[str]) -> list[str]:
    """Ask for deliveries after ``since`` that are not ``known``; return the names of those that will come.

    Raises:
        ApiFault: the list cannot be had, or nothing can be asked for.
    """
    asked: list[str] = []
    for attempt in missing(await _listed(api, since), known):
        call = Call("POST", f"/app/hook/deliveries/{attempt.id}/attempts")
        try:
            await api.app.call(call)
        except ApiFault as fault:
            if fault.status in (_BAD_REQUEST, NOT_FOUND, UNPROCESSABLE):
                api.log.warning("delivery_not_sent_again", delivery=attempt.name, reason=fault.what)
                continue
            if not asked:
                raise
            # The others the next time.
            api.log.warning("deliveries_left", reason=fault.what)
            break
        asked.append(attempt.name)
    return asked


async def _listed(api: Api, since: float) -> list[Attempt]:
    """The newest come first."""
    found: list[Attempt] = []
    async for item in api.app_pages(Call("GET", "/app/hook/deliveries", {"per_page": PAGE})):
        attempt = _attempt(api, item)
        if attempt is None:
            continue
        if attempt.delivered_at < since:
            break
        found.append(attempt)
    return found


def _attempt(api: Api, item: Any) -> Attempt | None:
    try:
        described = Fields(item)
        return Attempt(described.number("id"), described.text("guid"), described.time("delivered_at"))
    except Malformed as error:
        api.log.warning("delivery_not_understood", reason=str(error))
        return None
