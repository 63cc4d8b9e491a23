"""Counts, lists and durations in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ekaci_core.reporting.clean import clean

FEW: Final = 5
"""Names that a sentence lists before it counts the rest."""

FLAKY: Final = "failed first, then passed with nothing changed"
"""What is said of a flaky build."""

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_SHORT: Final = 10.0


def counted(number: int, noun: str) -> str:
    """Say ``1 package``, ``2 packages``, ``1,234 derivations``."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def few(names: Sequence[str], limit: int = FEW) -> str:
    """List the first names and count the rest: ``a, b and 3 more``."""
    shown = ", ".join(clean(name) for name in names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def rebuilt_only(number: int) -> str:
    """Say ``1 package rebuilt without a change of its own``."""
    return f"{counted(number, 'package')} rebuilt without a change of {'its' if number == 1 else 'their'} own"


def duration(seconds: float) -> str:
    """Say ``0.4 s``, ``12 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    if seconds < _SHORT:
        return f"{seconds:.1f} s"
    if round(seconds) < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / _MINUTE), 60)
    return f"{hours} h {minutes:02d} min"
