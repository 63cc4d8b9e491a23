"""How long builds are expected to take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ekaci_core.model.derivation import DerivationRecord

UNKNOWN_SECONDS: Final = 30.0
"""What is expected of a build of which nothing is known."""

# As `builtins.parseDrvName` does: the version begins with the first dash that no letter follows.
_VERSION: Final = re.compile(r"-[^a-zA-Z].*$")


def subjects(record: DerivationRecord) -> tuple[str, ...]:
    """Name what a derivation is a case of, the most particular first: builds of the same take about as long.

    That is its name, as most rebuilds leave versions as they are, and then its name without the version. What is only
    fetched says nothing of the build that has the same name but for an ending.
    """
    what = f"{record.system} fetched" if any(output.is_fixed for output in record.outputs) else record.system
    return f"{what} {record.name}", f"{what} {record.pname or _VERSION.sub('', record.name)}"


def asked(records: Iterable[DerivationRecord]) -> frozenset[str]:
    """Return all that is to be asked for to know what these take."""
    return frozenset(subject for record in records for subject in subjects(record))


def learnt_seconds(learnt: Mapping[str, float], record: DerivationRecord) -> float | None:
    """Return the seconds of the most particular subject of which something was learnt; None where there is none."""
    return next((learnt[subject] for subject in subjects(record) if subject in learnt), None)


def expected_seconds(learnt: Mapping[str, float], record: DerivationRecord) -> float:
    """The same, and `UNKNOWN_SECONDS` where nothing was learnt."""
    seconds = learnt_seconds(learnt, record)
    return UNKNOWN_SECONDS if seconds is None else seconds
