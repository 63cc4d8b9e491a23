"""The answer: should this be merged?"""

from __future__ import annotations

import enum

import attrs


class Decision(enum.Enum):
    """The three answers. Missing evidence is never `MERGE`."""

    MERGE = "merge"
    WAIT = "wait"
    DO_NOT_MERGE = "do_not_merge"

    @property
    def exit_status(self) -> int:
        """What ``ekaci review`` exits with."""
        return {Decision.MERGE: 0, Decision.DO_NOT_MERGE: 1, Decision.WAIT: 4}[self]


@attrs.frozen
class Reason:
    """One sentence of the answer. ``speaks_for`` says for which decision it speaks; `MERGE` reasons only inform."""

    speaks_for: Decision
    text: str


@attrs.frozen
class Verdict:
    """The answer and why. ``attention`` asks a person to look although nothing speaks against merging."""

    decision: Decision
    attention: bool
    reasons: tuple[Reason, ...]
    infrastructure_fault: bool = False
