"""Everything a report shows, as data: the renderers only format it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ekaci_core.model.change import Failure, Impact, JobComparison, Outcome
from ekaci_core.model.repository import ImpactSettings, Revision, SummarySettings
from ekaci_core.model.verdict import Verdict


@attrs.frozen
class Report:
    """A review, finished or not.

    ``timings`` are seconds by stage, in order. ``built`` counts the derivations that this review built. ``notes`` are
    warnings about the configuration and the repository. ``infrastructure`` are faults of the machine that kept
    evidence from being complete.
    """

    repository: str
    base: Revision
    head: Revision
    evaluator: str
    jobs: tuple[JobComparison, ...]
    outcomes: tuple[Outcome, ...]
    impact: Impact
    failures: tuple[Failure, ...]
    verdict: Verdict
    timings: Mapping[str, float]
    built: int
    notes: tuple[str, ...] = ()
    infrastructure: tuple[str, ...] = ()
    summary: SummarySettings = SummarySettings()
    impact_settings: ImpactSettings = ImpactSettings()
