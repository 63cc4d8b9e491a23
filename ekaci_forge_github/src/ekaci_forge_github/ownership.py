"""Deliveries about who has what: installations of the app, and repositories that move. Pure.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ekaci_core.api import (
    ForgeEvent,
    Ignored,
    InstallationAction,
    InstallationChanged,
    RepositoryAction,
    RepositoryChanged,
    RepositoryId,
)
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_github.faults import one_line

_INSTALLATION: Final[Mapping[str, InstallationAction]] = {
    "created": InstallationAction.ADDED,
    "deleted": InstallationAction.REMOVED,
    "suspend": InstallationAction.SUSPENDED,
    "unsuspend": InstallationAction.UNSUSPENDED,
}


def installation(body: Fields, host: str) -> ForgeEvent | Ignored:
    """Understand that the app was installed or taken away."""
    name = body.text("action")
    action = _INSTALLATION.get(name)
    if action is None:
        return Ignored(one_line(f"installation {name}: nothing to do"))
    listed = _named(body.objects("repositories"), host) if action is InstallationAction.ADDED else ()
    if action is InstallationAction.ADDED and not listed and not _has_all(body):
        return Ignored("installation created: without a repository")
    return InstallationChanged(action, *_who(body), listed)


def installation_repositories(body: Fields, host: str) -> ForgeEvent | Ignored:
    """Understand that an installation was given repositories, or lost them."""
    name = body.text("action")
    if name == "added":
        listed = _named(body.objects("repositories_added"), host)
        if listed or _has_all(body):
            return InstallationChanged(InstallationAction.ADDED, *_who(body), listed)
    elif name == "removed":
        listed = _named(body.objects("repositories_removed"), host)
        # Without names it would mean all of them.
        if listed:
            return InstallationChanged(InstallationAction.REMOVED, *_who(body), listed)
    return Ignored(one_line(f"installation_repositories {name}: nothing to do"))


def repository(body: Fields, host: str) -> ForgeEvent | Ignored:
    """Understand that a repository has another name or owner, or is gone."""
    name = body.text("action")
    if name not in {each.value for each in RepositoryAction}:
        return Ignored(one_line(f"repository {name}: nothing to do"))
    action, now = RepositoryAction(name), body.object("repository").repository(host)
    return RepositoryChanged(action, now, _before(action, body, now))


def _before(action: RepositoryAction, body: Fields, now: RepositoryId) -> RepositoryId | None:
    if action is RepositoryAction.RENAMED:
        old = body.object("changes").object("repository").object("name").text("from")
        return Fields({"full_name": f"{now.owner}/{old}"}, "changes").repository(now.forge)
    if action is RepositoryAction.TRANSFERRED:
        owner = body.object("changes").object("owner").object("from")
        account = owner.object("organization" if owner.has("organization") else "user")
        return Fields({"full_name": f"{account.text('login')}/{now.name}"}, "changes").repository(now.forge)
    return None


def _who(body: Fields) -> tuple[int, str]:
    described = body.object("installation")
    account = described.object("account")
    # That of an enterprise has a slug and no login.
    return described.number("id"), account.line("login" if account.has("login") else "slug")


def _has_all(body: Fields) -> bool:
    return body.object("installation").text("repository_selection", "") == "all"


def _named(listed: Iterable[Fields], host: str) -> tuple[RepositoryId, ...]:
    """The repositories of a list; one with an impossible name must not hide the others."""
    found: list[RepositoryId] = []
    for each in listed:
        try:
            found.append(each.repository(host))
        except Malformed:
            continue
    return tuple(found)
