"""How a review finds out what can be fetched instead of built."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from ekaci_core.api import PluginContext
from ekaci_core.bus import Broadcast
from ekaci_core.model.event import ReviewEvent, ReviewNote
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.substitution_settings import SubstitutionSettings
from ekaci_core.nix.versions import Access, Nix, daemon_settings
from ekaci_core.substitution import Substitution, open_substitution

# Stores whose objects are files of this machine at their own paths.
_LOCAL = ("", "auto", "daemon", "local")


@asynccontextmanager
async def substitution_of(
    nix: Nix, context: PluginContext, events: Broadcast[ReviewEvent]
) -> AsyncIterator[Substitution]:
    """Open substitution with Nix's settings; what a person may want to know of it becomes a note of the review.

    Raises:
        InfrastructureFault: Nix does not say its settings, or a key among them cannot be read.
    """
    async with open_substitution(
        await effective_settings(nix, context.environment),
        environment=context.environment,
        clock=context.clock,
        ask_nix=partial(build_plan, environment=context.environment),
        note=lambda sentence: events.send(ReviewNote(sentence)),
        local_store=nix.settings.store in _LOCAL and context.environment.get("NIX_REMOTE", "") in _LOCAL,
    ) as substitution:
        yield substitution


async def effective_settings(nix: Nix, environment: Mapping[str, str]) -> SubstitutionSettings:
    """Return the settings by which Nix fetches: a daemon listens only to those whom it trusts.

    Raises:
        InfrastructureFault: Nix does not say its settings.
    """
    own = nix.settings.substitution
    if nix.access is Access.DIRECT:
        return own
    daemon = (await daemon_settings(nix, environment)).substitution
    return own if daemon.trusts(*_this_person()) else own.of_daemon(daemon)


def _this_person() -> tuple[str, list[str]]:
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    groups = []
    for number in {os.getegid(), *os.getgroups()}:
        try:
            groups.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return user, groups
