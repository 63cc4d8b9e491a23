"""Bounds of building, and of what is kept, for reviews and the server alike."""

from __future__ import annotations

from typing import Annotated, Final

import attrs

from ekaci_core.config.rules import at_least, within

_DAY_SECONDS: Final = 24 * 60 * 60
_SHORTEST_LOG_BYTES: Final = 64 * 1024


@attrs.frozen
class BuildingSettings:
    """Bounds of building.

    Attributes:
        local_max_jobs: builds at once on this machine; 0 for none here, None for what suits the machine.
        fod_max_jobs: fixed-output derivations at once, beside what takes slots; None for what suits the machine.
        build_no_output_timeout_seconds: a build that prints nothing for so long is ended.
        build_max_duration_seconds: a build that takes so long is ended.
    """

    local_max_jobs: Annotated[int, within(0, 10_000)] | None = None
    fod_max_jobs: Annotated[int, within(1, 10_000)] | None = None
    build_no_output_timeout_seconds: Annotated[int, within(30, 86_400)] = 1200
    build_max_duration_seconds: Annotated[int, within(60, 604_800)] = 14400


@attrs.frozen
class RetentionSettings:
    """Bounds of what is kept.

    Attributes:
        log_max_bytes: of one log, its head and its end together.
        logs_total_bytes: of all logs as they are on the disk; over that, the oldest go.
        logs_max_age_seconds: logs that nobody wrote for so long go.
        evaluations_kept: so many finished evaluations stay, those that were used last.
        evaluations_max_age_seconds: finished evaluations that nobody used for so long go.
    """

    log_max_bytes: Annotated[int, at_least(_SHORTEST_LOG_BYTES)] = 128 * 1024**2
    logs_total_bytes: Annotated[int, at_least(0)] = 2 * 1024**3
    logs_max_age_seconds: Annotated[float, at_least(0)] = 30 * _DAY_SECONDS
    evaluations_kept: Annotated[int, at_least(0)] = 20
    evaluations_max_age_seconds: Annotated[float, at_least(0)] = 90 * _DAY_SECONDS
