"""What the token's account may do, beside what is needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from ekaci_core.api import Finding, Permissions
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_gitea.client import Call, Client, strange
from ekaci_forge_gitea.faults import one_line
from ekaci_forge_gitea.hooks import FEATURE, NEEDED, Hook, Hooks
from ekaci_forge_gitea.reading import Place, Reader

OLDEST: Final = (1, 20)
WEBHOOK_PATH: Final = "/gitea/webhook"

_NUMBERS: Final = re.compile(r"(\d{1,4})\.(\d{1,4})")
_FORK: Final = "gitea-"


async def examine(client: Client, reader: Reader, hooks: Hooks, permitted: Permissions) -> Sequence[Finding]:
    """Ask for version, account and repositories, and compare.

    Raises:
        ApiFault: Gitea does not answer, or not as it should.
    """
    found = [await _version(client)]
    account = await reader.account()
    found.append(Finding(account.login, well=True, text="the token is this account's"))
    places = [each async for each in reader.places() if permitted.allows_repository(each.repository.path)]
    # What an account may see and nobody named is not meant.
    meant = [each for each in places if each.push or not permitted.allow_all]
    if not meant:
        text = "may write to no repository that the configuration allows"
        found.append(Finding(account.login, well=False, text=text, feature="everything"))
    for each in meant:
        found += await _place(hooks, each)
    return found


async def _version(client: Client) -> Finding:
    call = Call("GET", "/version")
    try:
        text = one_line(Fields((await client.call(call)).data).text("version"), 60)
    except Malformed as error:
        raise strange(error, call) from None
    well = is_new_enough(text)
    wanted = "" if well else f"; it needs {'.'.join(map(str, OLDEST))} or newer"
    return Finding("version", well=well, text=text + wanted, feature="" if well else "what older versions do not have")


def is_new_enough(version: str) -> bool:
    """Whether a version has all that is needed. Forgejo names behind its own the version of Gitea that it is as."""
    known = _NUMBERS.search(version.partition(_FORK)[2] or version)
    return known is None or (int(known[1]), int(known[2])) >= OLDEST


async def _place(hooks: Hooks, place: Place) -> list[Finding]:
    subject = str(place.repository)
    found = [
        Finding(
            subject,
            well=place.push,
            text="may write",
            feature="" if place.push else "commit statuses: no result is shown",
        )
    ]
    if not place.admin:
        feature = "asking who may write, and so approval; making the webhook"
        return [*found, Finding(subject, well=False, text="is an administrator", feature=feature)]
    found.append(Finding(subject, well=True, text="is an administrator"))
    return [*found, hook_finding(subject, await hooks.of(place.repository))]


def hook_finding(subject: str, hooks: Sequence[Hook]) -> Finding:
    """Say whether the events that are needed are sent. One of an organisation or of the whole server is not seen."""
    ours = [each for each in hooks if urlsplit(each.url).path.rstrip("/").endswith(WEBHOOK_PATH)]
    if not ours:
        return Finding(subject, well=False, text="has a webhook (`ekaci forge setup` makes it)", feature=FEATURE)
    best = max(ours, key=lambda each: (each.active, len(each.events & set(NEEDED))))
    missing = [event for event in NEEDED if event not in best.events]
    if not best.active:
        return Finding(subject, well=False, text="the webhook is active", feature=FEATURE)
    text = f"the webhook sends {', '.join(missing or NEEDED)}"
    return Finding(subject, well=not missing, text=text, feature=FEATURE if missing else "")
