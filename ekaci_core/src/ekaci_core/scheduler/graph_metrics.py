"""Figures on the graph of a run, for a page of metrics: names are those of the specification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.scheduler.recency import Tier

RELOAD_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram's buckets."""


@attrs.frozen
class Sample:
    """One figure as a metrics page has it."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


@attrs.define
class GraphMetrics:
    """What a metrics page says of the derivations in memory.

    Attributes:
        states: how many derivations are in memory, by state.
        capacity: how many may be; 0 where there is no bound.
        pinned: how many stay there: what may start or builds, and direct neighbours.
        candidates: how many may leave it, by tier.
        total: how many derivations the run has, in memory or not.
        memory_bytes: what the graph is estimated to take.
        hits: how often what was asked for was in memory.
        misses: how often it was not.
        reloads: how many derivations were taken into memory again.
        evictions: how many left it, by state.
        reload_count: how many times some were read from the database together.
        reload_seconds: how long that took, in all.
        reload_buckets: how many of these times took at most so many seconds as `RELOAD_SECONDS` says.
    """

    states: Counter[BuildState] = attrs.field(factory=Counter)
    capacity: int = 0
    pinned: int = 0
    candidates: dict[Tier, int] = attrs.field(factory=lambda: dict.fromkeys(Tier, 0))
    total: int = 0
    memory_bytes: int = 0
    hits: int = 0
    misses: int = 0
    reloads: int = 0
    evictions: Counter[BuildState] = attrs.field(factory=Counter)
    reload_count: int = 0
    reload_seconds: float = 0.0
    reload_buckets: list[int] = attrs.field(factory=lambda: [0] * len(RELOAD_SECONDS))

    @property
    def nodes(self) -> int:
        """How many derivations are in memory."""
        return self.states.total()

    @property
    def utilization(self) -> float:
        """The part of the capacity that is taken, more than 1 where what is pinned exceeds it."""
        return self.nodes / self.capacity if self.capacity else 0.0

    def reloaded(self, count: int, seconds: float) -> None:
        """Count derivations that were read from the database together, in so many seconds."""
        self.misses += count
        self.reloads += count
        self.reload_count += 1
        self.reload_seconds += seconds
        for at, most in enumerate(RELOAD_SECONDS):
            self.reload_buckets[at] += seconds <= most

    def samples(self) -> Iterator[Sample]:
        """Iterate over all figures."""
        for state in sorted(self.states):
            yield Sample("eka_ci_graph_nodes_total", self.states[state], (("state", state.label),))
        yield Sample("eka_ci_graph_cache_size", self.nodes)
        yield Sample("eka_ci_graph_cache_capacity", self.capacity)
        yield Sample("eka_ci_graph_cache_utilization", self.utilization)
        yield Sample("eka_ci_graph_pinned_nodes_total", self.pinned)
        yield Sample("eka_ci_graph_memory_bytes_estimate", self.memory_bytes)
        yield Sample("eka_ci_graph_cache_hits_total", self.hits)
        yield Sample("eka_ci_graph_cache_misses_total", self.misses)
        yield Sample("eka_ci_graph_cache_reloads_total", self.reloads)
        for state in sorted(self.evictions):
            yield Sample("eka_ci_graph_evictions_total", self.evictions[state], (("tier", state.label),))
        for tier in (Tier.TRANSITIVE_FAILURE, Tier.COMPLETED_FAILURE, Tier.COMPLETED_SUCCESS):
            yield Sample("eka_ci_graph_eviction_candidates_total", self.candidates[tier], (("tier", tier.value),))
        histogram = "eka_ci_graph_cache_reload_duration_seconds"
        for most, count in zip(RELOAD_SECONDS, self.reload_buckets, strict=True):
            yield Sample(f"{histogram}_bucket", count, (("le", f"{most:g}"),))
        yield Sample(f"{histogram}_bucket", self.reload_count, (("le", "+Inf"),))
        yield Sample(f"{histogram}_sum", self.reload_seconds)
        yield Sample(f"{histogram}_count", self.reload_count)
