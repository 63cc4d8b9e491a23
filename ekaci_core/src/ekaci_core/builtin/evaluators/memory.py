"""How much memory a process holds."""

from __future__ import annotations

import os
from pathlib import Path

from ekaci_core.process import run

_MIB = 1024 * 1024


async def resident_mib(pid: int) -> int:
    """Return the resident memory of a process in MiB, 0 once it has gone."""
    pages = _pages(pid)
    return await resident_mib_of_ps(pid) if pages is None else pages * os.sysconf("SC_PAGE_SIZE") // _MIB


def _pages(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0 if Path("/proc/self/statm").exists() else None


async def resident_mib_of_ps(pid: int) -> int:
    """As `resident_mib`, on systems without /proc."""
    done = await run(["ps", "-o", "rss=", "-p", str(pid)], env=os.environ)
    text = done.text.strip()
    return int(text) // 1024 if text.isdigit() else 0
