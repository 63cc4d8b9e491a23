"""Whether the kernel killed something because memory ran out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_VMSTAT: Final = Path("/proc/vmstat")
_SPEAKING: Final = re.compile(
    r"\bKilled\b|\bSIGKILL\b|signal 9\b|out of memory|cannot allocate memory|memory exhausted|bad_alloc",
    re.IGNORECASE,
)


def parse_kills(text: str) -> int:
    """Return the count of ``oom_kill`` in ``/proc/vmstat``, of all control groups since boot; 0 if it is not there."""
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def count_kills(vmstat: Path = _VMSTAT) -> int:
    """Read that count; 0 where the system does not say."""
    try:
        return parse_kills(vmstat.read_text())
    except OSError:
        return 0


def speaks_of_memory(lines: Iterable[str]) -> bool:
    """Whether the end of a log reads as if memory had run out, or something was killed."""
    return any(_SPEAKING.search(line) for line in lines)
