"""How long builds are expected to take."""

from __future__ import annotations

import re
from typing import Final

from ekaci_core.model.derivation import DerivationRecord

UNKNOWN_SECONDS: Final = 30.0
"""What is expected of a build of which nothing is known."""

# As `builtins.parseDrvName` does: the version begins with the first dash that no letter follows.
_VERSION: Final = re.compile(r"-[^a-zA-Z].*$")


def subject(record: DerivationRecord) -> str:
    """Name what a derivation is a version of: builds of the same take about as long."""
    return f"{record.system} {record.pname or _VERSION.sub('', record.name)}"
