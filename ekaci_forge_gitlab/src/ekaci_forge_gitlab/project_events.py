"""Deliveries about projects themselves: of system hooks, and of groups. Pure.

https://docs.gitlab.com/administration/system_hooks/
"""

from __future__ import annotations

import re
from typing import Final

from ekaci_core.api import (
    BranchPushed,
    ForgeEvent,
    Ignored,
    InstallationAction,
    InstallationChanged,
    RepositoryAction,
    RepositoryChanged,
)
from ekaci_core.api.fields import Fields
from ekaci_forge_gitlab.faults import one_line
from ekaci_forge_gitlab.merge_requests import PATH

NAMES: Final = ("project_create", "project_destroy", "project_rename", "project_transfer")

_BRANCHES: Final = "refs/heads/"
_NO_COMMIT: Final = re.compile(r"0{40}|0{64}")


def project(body: Fields, host: str) -> ForgeEvent | Ignored:
    """Understand that a project is new or gone, or has another path."""
    name = body.text("event_name")
    if name not in NAMES:
        return Ignored(one_line(f"{name}: nothing to do"))
    now = body.repository(host, PATH)
    if name == "project_create":
        return InstallationChanged(InstallationAction.ADDED, body.number("project_id"), now.owner, (now,))
    if name == "project_destroy":
        return RepositoryChanged(RepositoryAction.DELETED, now, None)
    action = RepositoryAction.RENAMED if name == "project_rename" else RepositoryAction.TRANSFERRED
    return RepositoryChanged(action, now, body.repository(host, "old_path_with_namespace"))


def repository_update(body: Fields, host: str) -> ForgeEvent | Ignored:
    """Understand that refs of a project changed: several with one push, of which the default branch counts most."""
    where = body.object("project")
    default = where.text("default_branch", "")
    changes = [each for each in body.objects("changes") if each.text("ref").startswith(_BRANCHES)]
    if not changes:
        return Ignored("repository_update: no branch changed")
    change = next((each for each in changes if each.text("ref") == f"{_BRANCHES}{default}"), changes[0])
    branch = change.branch("ref")
    return BranchPushed(
        repository=where.repository(host, PATH),
        branch=branch,
        before=None if _NO_COMMIT.fullmatch(change.text("before")) else change.sha("before"),
        after=None if _NO_COMMIT.fullmatch(change.text("after")) else change.sha("after"),
        is_default=branch == default,
        actor=None,  # it has a number and no login
    )
