"""Buttons that our checks have: what comes back from a forge when somebody presses one."""

from __future__ import annotations

import enum


class Button(enum.StrEnum):
    """What a person can ask for at a check; at most 20 characters, as GitHub allows."""

    APPROVE = "approve"
    """Let this commit be evaluated and built."""
    RUN_AGAIN = "rerun"
    """Make the review of this commit again."""
