"""The configuration of a review, from both of its sides."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from ekaci_core.config.discover import discover_jobs
from ekaci_core.config.merge import ReviewJob, jobs_of_review, settings_of_review
from ekaci_core.config.repository import CONFIG_FILES, ReadFile, find_repository_config
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.repository import ImpactSettings, RepositoryConfig, SummarySettings


@attrs.frozen
class ReviewConfiguration:
    """What a review evaluates and how it reports. ``origin`` says where the jobs come from."""

    origin: str
    jobs: tuple[ReviewJob, ...]
    summary: SummarySettings
    impact: ImpactSettings
    warnings: tuple[str, ...] = ()


@attrs.frozen
class Side:
    """One side's files: how to read one, and the names of those at its root."""

    read: ReadFile
    names: Collection[str]


async def review_configuration(base: Side, head: Side) -> ReviewConfiguration:
    """Read both sides' configuration files; where neither has one, find the jobs.

    A base whose file cannot be used counts as one without, and a warning says why: else no change could mend it.

    Raises:
        UsageFault: head's file cannot be used (`ConfigurationFault` where that is its contents), or there is nothing
            to evaluate on either side.
    """
    after = await find_repository_config(head.read)
    warnings: tuple[str, ...] = ()
    try:
        before = await find_repository_config(base.read)
    except UsageFault as fault:  # a symbolic link or too large counts as well
        before, warnings = None, (f"the base's configuration is not used: {fault}",)
    if before is None and after is None and not warnings:
        before, after = discover_jobs(base.names), discover_jobs(head.names)
    return combine(before, after, warnings)


def combine(
    base: RepositoryConfig | None, head: RepositoryConfig | None, warnings: tuple[str, ...] = ()
) -> ReviewConfiguration:
    """Make a review's configuration of those of its sides.

    Raises:
        UsageFault: neither has a job.
    """
    jobs = jobs_of_review(base, head)
    if not jobs:
        looked = base or head
        raise UsageFault(
            "there is no job to review",
            where=looked.origin if looked is not None else None,
            do=f"add {CONFIG_FILES[0]}, flake.nix, default.nix or ci.nix to the repository, or name one with --file",
        )
    of_head = head.warnings if head is not None else ()
    of_base = base.warnings if base is not None else ()
    gone = tuple(f"{warning} (on the base)" for warning in of_base if warning not in of_head)
    summary, impact = settings_of_review(base, head)
    source = head or base
    return ReviewConfiguration(
        origin=source.origin if source is not None else "",
        jobs=jobs,
        summary=summary,
        impact=impact,
        warnings=(*warnings, *of_head, *gone),
    )
