"""The answer: should this be merged?"""

from __future__ import annotations

import enum

import attrs

from ekaci_core.model.errors import EXIT_INFRASTRUCTURE


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
    """One sentence of the answer.

    ``speaks_for`` says for which decision it speaks; `MERGE` reasons only inform, or ask for ``attention``.
    """

    speaks_for: Decision
    text: str
    attention: bool = False


@attrs.frozen
class Verdict:
    """The answer and why, weightiest reason first.

    ``attention`` asks a person to look although nothing speaks against merging. ``infrastructure_fault`` says that the
    machine kept evidence from being complete.
    """

    decision: Decision
    attention: bool
    reasons: tuple[Reason, ...]
    infrastructure_fault: bool = False

    @property
    def exit_status(self) -> int:
        """What ``ekaci review`` exits with: a proven "do not merge" outranks a fault of the machine."""
        if self.infrastructure_fault and self.decision is not Decision.DO_NOT_MERGE:
            return EXIT_INFRASTRUCTURE
        return self.decision.exit_status
