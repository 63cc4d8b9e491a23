"""Errors that a plugin raises; the core shows them to people, so they say what, where and what to do."""

from __future__ import annotations

from ekaci_core.model.errors import EkaciError, InfrastructureFault, UsageFault

__all__ = ["EkaciError", "EvaluatorUnavailable", "InfrastructureFault", "UsageFault"]


class EvaluatorUnavailable(InfrastructureFault):
    """The evaluator's program is missing, too old, or cannot reach the store."""
