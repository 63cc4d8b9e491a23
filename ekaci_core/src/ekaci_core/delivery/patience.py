"""When a path that could not be pushed is tried again, and when no more. Pure."""

from __future__ import annotations

from typing import Final

from ekaci_core.api import AlreadyPresent, Pushed, PushFailed, PushOutcome
from ekaci_core.store.push import Push, PushEnd, PushState

MOST_ATTEMPTS: Final = 10
LONGEST_SECONDS: Final = 86_400.0
FIRST_PAUSE_SECONDS: Final = 60.0
LAST_PAUSE_SECONDS: Final = 4 * 3600.0
BATCH: Final = 256
"""Paths of one push that were never tried."""


def pause(attempts: int) -> float:
    """Return the seconds before the next attempt, after so many."""
    return min(FIRST_PAUSE_SECONDS * float(2 ** min(max(attempts - 1, 0), 30)), LAST_PAUSE_SECONDS)


def company(attempts: int) -> int:
    """Return how many paths are pushed together with one that failed so often: fewer and fewer, in the end none."""
    return max(1, BATCH >> (2 * attempts))


def end_of(push: Push, outcome: PushOutcome, *, attempts: int, began: float, now: float, probing: bool) -> PushEnd:
    """Say what an outcome means for a row.

    Args:
        push: as it was before the attempt.
        outcome: of the attempt.
        attempts: how many there were, this one included.
        began: when the first of them began.
        now: the time.
        probing: whether the cache was known not to answer; that is no fault of the path, which is not given up for it.
    """
    match outcome:
        case Pushed(sent_bytes=sent):
            return PushEnd(push=push.id, state=PushState.DONE, sent_bytes=sent)
        case AlreadyPresent():
            return PushEnd(push=push.id, state=PushState.PRESENT)
        case PushFailed(reason=reason, transient=True, retry_after_seconds=asked):
            over = attempts >= MOST_ATTEMPTS or now - began >= LONGEST_SECONDS
            if over and not probing:
                given_up = f"{reason} (given up after {attempts} attempts)"
                return PushEnd(push=push.id, state=PushState.FAILED, reason=given_up)
            again = now + max(pause(attempts), asked or 0.0)
            return PushEnd(push=push.id, state=PushState.PENDING, reason=reason, not_before=again)
        case PushFailed(reason=reason):
            return PushEnd(push=push.id, state=PushState.FAILED, reason=reason)
