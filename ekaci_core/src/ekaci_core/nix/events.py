"""From what a client of Nix's daemon hears to the records that ``--log-format internal-json`` would have had."""

from __future__ import annotations

from typing import Final

from ekaci_core.api import NixEvent, NixMessage, NixResult, NixStarted, NixStopped
from ekaci_core.nix.internal_json import (
    LOG_LINE_RESULTS,
    PHASE_RESULT,
    ActivityKind,
    ActivityStarted,
    ActivityStopped,
    BuilderLine,
    Message,
    PhaseSet,
    Record,
)
from ekaci_core.process.plain import plain_text

_KINDS: Final = frozenset(ActivityKind)


def record_of(event: NixEvent) -> Record | None:
    """Return what it means to somebody who waits for a build; None if nothing."""
    match event:
        case NixResult(activity, kind, (str() as text, *_), cut):
            if kind in LOG_LINE_RESULTS:
                return BuilderLine(activity, text, cut)
            return PhaseSet(activity, text) if kind == PHASE_RESULT else None
        case NixStarted(activity, number, fields):
            kind_of = ActivityKind(number) if number in _KINDS else ActivityKind.OTHER
            return ActivityStarted(activity, kind_of, str(fields[0]) if fields else "")
        case NixStopped(activity):
            return ActivityStopped(activity)
        case NixMessage(level, text, is_error):
            return Message(level, plain_text(text), is_error)
        case _:
            return None
