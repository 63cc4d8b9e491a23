"""The jobs of a review: those of base and head together, each side's power kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import attrs

from ekaci_core.config.suggest import nearest
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.repository import (
    ImpactSettings,
    Job,
    PostBuildHook,
    RepositoryConfig,
    SizeCheck,
    SummarySettings,
)


@attrs.frozen
class ReviewJob:
    """A job as a review runs it.

    ``base`` and ``head`` say what each side evaluates, each with its own ``file`` and ``attr_path``; None where the
    side has no such job. Everything that gives power is the base's: a change cannot allow itself anything.
    """

    name: str
    base: Job | None
    head: Job | None
    allow_eval_failures: bool = False
    caches: tuple[str, ...] = ()
    size_check: SizeCheck | None = None
    post_build_hooks: tuple[PostBuildHook, ...] = ()
    fod_post_build_hooks: tuple[PostBuildHook, ...] = ()

    @property
    def missing_on(self) -> Literal["base", "head"] | None:
        """Which side has no such job: ``head`` drops it, or ``base`` has it not yet."""
        if self.head is None:
            return "head"
        return "base" if self.base is None else None


def jobs_of_review(base: RepositoryConfig | None, head: RepositoryConfig | None) -> tuple[ReviewJob, ...]:
    """Bring the jobs of both sides together: those of head in its order, then those that head drops."""
    before = base.jobs if base is not None else {}
    after = head.jobs if head is not None else {}
    return tuple(_review_job(name, before.get(name), after.get(name)) for name in dict.fromkeys([*after, *before]))


def settings_of_review(
    base: RepositoryConfig | None, head: RepositoryConfig | None
) -> tuple[SummarySettings, ImpactSettings]:
    """Choose how the report is written: as the base says, as head says where the base has no configuration."""
    config = base or head
    return (SummarySettings(), ImpactSettings()) if config is None else (config.summary, config.impact)


def select_jobs(jobs: Sequence[ReviewJob], names: Iterable[str]) -> tuple[ReviewJob, ...]:
    """Keep the named jobs, in their own order; without names all.

    Raises:
        UsageFault: a name is no job on either side.
    """
    wanted = set(names)
    known = [job.name for job in jobs]
    for name in sorted(wanted):
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}? " if near else ""
            raise UsageFault(
                f"no job is named {name!r}", where="--job", do=f"{hint}there are: {', '.join(known) or 'none'}"
            )
    return tuple(job for job in jobs if not wanted or job.name in wanted)


def _review_job(name: str, base: Job | None, head: Job | None) -> ReviewJob:
    if base is None:
        return ReviewJob(name, None, head)
    return ReviewJob(
        name,
        base,
        head,
        allow_eval_failures=base.allow_eval_failures,
        caches=base.caches,
        size_check=base.size_check,
        post_build_hooks=_kept(base.post_build_hooks, head.post_build_hooks if head else ()),
        fod_post_build_hooks=_kept(base.fod_post_build_hooks, head.fod_post_build_hooks if head else ()),
    )


def _kept(base: Sequence[PostBuildHook], head: Sequence[PostBuildHook]) -> tuple[PostBuildHook, ...]:
    """Keep base's hooks, as base has them, that head did not take away."""
    names = {hook.name for hook in head}
    return tuple(hook for hook in base if hook.name in names)
