"""What a review was asked to do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from ekaci_core.model.ids import System

EVAL_TIMEOUT_SECONDS: Final = 1800
"""Longest time that the evaluation of one attribute takes unless a review says otherwise."""

RETRY_PAUSE_SECONDS: Final = 5
"""First pause before a build is tried again whose fault may pass, unless a review says otherwise."""


@attrs.frozen
class ReviewOptions:
    """The options of ``ekaci review``; None and empty mean: choose.

    ``attr_globs`` keep matching attributes only; ``jobs`` keep jobs by name. ``build_slots`` is how many builds run
    at once. ``attribution`` builds the base's derivation of what fails on head. ``eval_timeout_seconds`` holds for each
    attribute, None for no limit; ``fresh`` evaluates both sides whatever is known. ``retry_pause_seconds`` is the first
    pause before a build is tried again whose fault may pass. ``confine_head`` evaluates head as what somebody wrote who
    is not trusted; ``confined_builds`` lets that build what it imports.
    """

    path: Path
    base: str | None = None
    head: str | None = None
    worktree: bool = False
    jobs: tuple[str, ...] = ()
    file: str | None = None
    attr_globs: tuple[str, ...] = ()
    system: System | None = None
    build: bool = True
    build_slots: int | None = None
    eval_workers: int | None = None
    eval_memory_mib: int | None = None
    eval_timeout_seconds: float | None = EVAL_TIMEOUT_SECONDS
    evaluator: str = "auto"
    keep_going: bool = True
    attribution: bool = True
    retry_pause_seconds: float = RETRY_PAUSE_SECONDS
    rebuild_failed: bool = False
    fresh: bool = False
    confine_head: bool = False
    confined_builds: bool = False
