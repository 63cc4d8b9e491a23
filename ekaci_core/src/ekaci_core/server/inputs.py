"""What a review is of: a repository, two revisions, and the jobs to look at on each."""

from __future__ import annotations

from functools import partial

import attrs

from ekaci_core.config.discover import job_of_file
from ekaci_core.config.merge import select_jobs
from ekaci_core.config.review import ReviewConfiguration, Side, combine, review_configuration
from ekaci_core.git import Endpoints, Repository, open_repository, review_endpoints
from ekaci_core.model.event import ReviewSide
from ekaci_core.model.repository import Revision
from ekaci_core.server.options import ReviewOptions


@attrs.frozen
class ReviewInputs:
    """Everything that git and the configuration say. ``narrowed`` says what was left out because it was asked for."""

    repository: Repository
    endpoints: Endpoints
    configuration: ReviewConfiguration
    narrowed: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of the choices that were made."""
        return (
            f"jobs: {self.configuration.origin}",
            *self.narrowed,
            *self.configuration.warnings,
            *self.endpoints.notes,
        )

    def revision(self, side: ReviewSide) -> Revision:
        """Return the revision of a side."""
        return self.endpoints.base if side is ReviewSide.BASE else self.endpoints.head


async def read_inputs(options: ReviewOptions) -> ReviewInputs:
    """Open the repository, find both revisions and read their configuration.

    Raises:
        UsageFault: what was asked for, or what the repository says, cannot be used.
    """
    repository = await open_repository(options.path)
    endpoints = await review_endpoints(repository, base=options.base, head=options.head, worktree=options.worktree)
    configuration = await _configuration(repository, endpoints, options)
    jobs = select_jobs(configuration.jobs, options.jobs)
    return ReviewInputs(repository, endpoints, attrs.evolve(configuration, jobs=jobs), _narrowed(options))


def _narrowed(options: ReviewOptions) -> tuple[str, ...]:
    notes = []
    if options.jobs:
        notes.append(f"only these jobs were reviewed: {', '.join(options.jobs)}")
    if options.attr_globs:
        notes.append(f"only attributes that match were reviewed: {', '.join(options.attr_globs)}")
    return tuple(notes)


async def _configuration(repository: Repository, endpoints: Endpoints, options: ReviewOptions) -> ReviewConfiguration:
    if options.file is not None:
        named = job_of_file(options.file.lstrip("/").removeprefix("./"))
        return combine(named, named)
    base, head = [
        Side(partial(repository.read_file, revision), await repository.names_at_root(revision))
        for revision in (endpoints.base, endpoints.head)
    ]
    return await review_configuration(base, head)
