"""The steps of a review that are the same whoever asked for it: evaluate, compare, judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ekaci_core.api import Evaluator
from ekaci_core.changes import JobContents, compare_jobs, measure_impact, outcomes_of, read_builds, read_flaky
from ekaci_core.evaluation import Evaluations
from ekaci_core.model.change import Impact, JobComparison
from ekaci_core.model.report import Report
from ekaci_core.nix.settings import NixSettings
from ekaci_core.reporting import Findings, collect_failures, explain_interruptions, judge
from ekaci_core.server.building import BuildResult
from ekaci_core.server.checkouts import CheckoutFolders, Checkouts
from ekaci_core.server.evaluating import SideEvaluations
from ekaci_core.server.inputs import ReviewInputs
from ekaci_core.server.options import ReviewOptions
from ekaci_core.server.stopwatch import Stopwatch
from ekaci_core.store import Store


@attrs.frozen
class Compared:
    """Both sides beside each other. ``notes`` are sentences from their evaluation."""

    jobs: tuple[JobComparison, ...]
    impact: Impact
    notes: tuple[str, ...]


@attrs.frozen
class ReviewWork:
    """What one review works with.

    ``environment`` is Nix's; ``stages`` measures.
    """

    options: ReviewOptions
    inputs: ReviewInputs
    folders: CheckoutFolders
    settings: NixSettings
    environment: Mapping[str, str]
    evaluator: Evaluator
    store: Store
    stages: Stopwatch

    async def compare(self, evaluations: Evaluations) -> Compared:
        """Evaluate both sides, as far as they are not known, and compare them.

        Raises:
            EkaciError: an evaluator, the store or a checkout failed.
        """
        with self.stages.stage("evaluating"):
            contents, notes = await self._evaluate(evaluations)
        with self.stages.stage("comparing"):
            comparisons = await compare_jobs(self.store, contents)
            top = self.inputs.configuration.impact.max_top_blast_radius
            impact = await measure_impact(self.store, contents, comparisons, top=top)
        return Compared(tuple(comparisons), impact, tuple(notes))

    async def report(self, compared: Compared, result: BuildResult) -> Report:
        """Judge by what the store says of the builds.

        Raises:
            InfrastructureFault: the store failed.
        """
        with self.stages.stage("judging"):
            return await self._report(compared, result)

    async def _evaluate(self, evaluations: Evaluations) -> tuple[tuple[JobContents, ...], Sequence[str]]:
        async with Checkouts.opened(self.inputs, self.folders) as checkouts:
            sides = SideEvaluations(
                self.inputs,
                self.options,
                store=self.store,
                evaluator=self.evaluator,
                evaluations=evaluations,
                checkouts=checkouts,
                settings=self.settings,
                environment=self.environment,
            )
            return await sides.all(), sides.notes

    async def _report(self, compared: Compared, result: BuildResult) -> Report:
        flaky = await read_flaky(self.store, compared.jobs)
        outcomes = outcomes_of(compared.jobs, await read_builds(self.store, compared.jobs), flaky)
        findings = Findings(
            compared.jobs,
            outcomes,
            compared.impact,
            infrastructure=result.infrastructure,
            no_build=not self.options.build,
        )
        interrupted = await explain_interruptions(self.store, outcomes)
        configuration, endpoints = self.inputs.configuration, self.inputs.endpoints
        return Report(
            repository=str(self.inputs.repository.directory),
            base=endpoints.base,
            head=endpoints.head,
            evaluator=self.evaluator.identity,
            jobs=compared.jobs,
            outcomes=outcomes,
            impact=compared.impact,
            failures=await collect_failures(self.store, outcomes),
            verdict=judge(findings),
            timings=self.stages.readings(),
            built=result.built,
            notes=(*self.inputs.notes, *compared.notes, *result.notes, *interrupted),
            infrastructure=result.infrastructure,
            summary=configuration.summary,
            impact_settings=configuration.impact,
        )
