"""What is wrong with a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ekaci_core.model.errors import UsageFault

MOST_SHOWN: Final = 50
"""So many faults or warnings of one file are shown; a hostile one could hold a hundred thousand."""


class ConfigurationFault(UsageFault):
    """A configuration file that cannot be used. ``faults`` are all that were found, each with its address."""

    def __init__(self, origin: str, faults: Sequence[str], *, do: str) -> None:
        what = faults[0] if len(faults) == 1 else "\n  ".join([f"{len(faults)} faults", *shown(faults)])
        super().__init__(what, where=origin, do=do)
        self.faults = tuple(faults)


def shown(lines: Sequence[str]) -> tuple[str, ...]:
    """Keep the first `MOST_SHOWN` lines and count the others."""
    more = len(lines) - MOST_SHOWN
    return (*lines[:MOST_SHOWN], f"… and {more} more") if more > 0 else tuple(lines)


class UnusableJobFile(UsageFault):
    """A job's ``file`` cannot be evaluated, whatever stands in it."""


class MissingJobFile(UnusableJobFile):
    """A job's ``file`` is not there, or is no file."""
