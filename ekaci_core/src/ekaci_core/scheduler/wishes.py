"""What a run is asked for, and within which bounds."""

from __future__ import annotations

from typing import Final

import attrs

from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.backoff import Backoff
from ekaci_core.scheduler.graph_limits import GraphLimits

HEAD_PRIORITY: Final = 1
"""Of what the change itself needs."""

FIXED_OUTPUT_JOBS: Final = 10
"""Fixed-output derivations wait for networks, not processors; the specification has ten at once."""

ATTRIBUTION_PRIORITY: Final = 0
"""Of builds that only tell whether something failed before; they wait for all others."""


@attrs.frozen
class Share:
    """Whoever has a part of the builders, usually a pull request. One of twice the weight gets twice as much."""

    name: str = ""
    weight: float = 1.0


@attrs.frozen
class Wanted:
    """A derivation somebody wants built. A larger ``priority`` goes first, its inputs with it, in all shares."""

    drv: DrvPath
    priority: int = HEAD_PRIORITY
    share: Share = Share()


@attrs.frozen
class SchedulerSettings:
    """How a scheduler works.

    Attributes:
        keep_going: after a failure, go on with what does not depend on it. Otherwise the first final failure of a
            derivation that is wanted with at least `HEAD_PRIORITY` cancels all that the run has left.
        rebuild_failed: give derivations that failed in earlier runs all their attempts again.
        no_output_timeout_seconds: end a build after so long without a line.
        max_duration_seconds: end a build after so long whatever it prints.
        lease_seconds: how long a claim lasts without renewal; it is renewed three times as often.
        poll_seconds: how often to look whether what another process builds is done.
        farewell_seconds: how long a cancelled build may take to have its end recorded.
        backoff: when a build is tried again whose attempt ended for a reason that may pass by itself.
        fixed_output_jobs: how many fixed-output derivations are built at once, beside what takes slots.
        copy_pause_seconds: how long to wait after no builder could be brought what a build needs; doubled each time.
        graph: how much of a run's graph is in memory.
        patience_seconds: give up after so long without a slot at any builder while nothing is being built.
    """

    keep_going: bool = True
    rebuild_failed: bool = False
    no_output_timeout_seconds: float = 1200
    max_duration_seconds: float = 14400
    lease_seconds: float = 60
    poll_seconds: float = 1
    farewell_seconds: float = 10
    backoff: Backoff = Backoff()
    fixed_output_jobs: int = FIXED_OUTPUT_JOBS
    patience_seconds: float = 900
    copy_pause_seconds: float = 5
    graph: GraphLimits = GraphLimits()
