"""What news of repositories themselves asks of the server."""

from __future__ import annotations

from ekaci_core.intake.command import (
    CloseReviews,
    Command,
    Ignore,
    NoteInstalled,
    NoteUninstalled,
    RenameRepository,
)
from ekaci_core.intake.facts import Facts
from ekaci_core.model.forge_event import InstallationAction, InstallationChanged, RepositoryAction, RepositoryChanged


def decide_installation(event: InstallationChanged, facts: Facts) -> tuple[Command, ...]:
    """Note what we were given; give up what was taken away."""
    repositories = facts.repositories
    if not repositories:
        return (Ignore(f"no repository of {event.account} is concerned"),)
    if event.action in (InstallationAction.ADDED, InstallationAction.UNSUSPENDED):
        return (NoteInstalled(facts.host, facts.instance, repositories),)
    gone = "the forge does not let us in any more"
    return (
        NoteUninstalled(facts.host, facts.instance, repositories),
        *(CloseReviews(repository, gone) for repository in repositories),
    )


def decide_repository(event: RepositoryChanged, facts: Facts) -> tuple[Command, ...]:
    """Follow a repository to its new name; give up one that is gone."""
    if event.action is RepositoryAction.DELETED:
        return (
            NoteUninstalled(facts.host, facts.instance, (event.repository,)),
            CloseReviews(event.repository, "the repository was deleted"),
        )
    if event.before is None or event.before == event.repository:
        return (Ignore("the repository has the name that it had"),)
    return (RenameRepository(event.before, event.repository),)
