"""What the machine has to offer, container limits included."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import attrs

_KIB: Final = 1024
_MIB: Final = 1024 * 1024
_AVAILABLE: Final = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)
_INACTIVE_FILE: Final = re.compile(r"^inactive_file (\d+)$", re.MULTILINE)
_UNKNOWN_MIB: Final = 4096
_CGROUP_NAME: Final = re.compile(r"^0::(/.*)$", re.MULTILINE)


@attrs.frozen
class Machine:
    """Processors that this process may use, and memory that can be had without swapping."""

    cpus: int
    available_mib: int


def available_mib(meminfo: str) -> int | None:
    """Read MemAvailable from the text of ``/proc/meminfo``; None where it is not said."""
    match = _AVAILABLE.search(meminfo)
    return int(match[1]) // _KIB if match else None


def cgroup_mib(limit: str, current: str, statistics: str) -> int | None:
    """Read what is left below one control group's limit; None where there is no limit.

    Arguments are the texts of ``memory.max``, ``memory.current`` and ``memory.stat``
    (https://docs.kernel.org/admin-guide/cgroup-v2.html). File pages not in use can be had back and count as free.
    """
    if not limit.strip().isdecimal() or not current.strip().isdecimal():
        return None
    inactive = _INACTIVE_FILE.search(statistics)
    reclaimable = int(inactive[1]) if inactive else 0
    return max(0, int(limit) - int(current) + reclaimable) // _MIB


def quota_cpus(cpu_max: str) -> int | None:
    """Read a control group's share of processors from the text of ``cpu.max``, rounded up; None for no limit."""
    quota, _, period = cpu_max.strip().partition(" ")
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return max(1, -(-int(quota) // int(period)))


def this_machine(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Machine:
    """Look at the machine, or at the trees given instead of the kernel's."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    groups = _groups(_text(proc / "self" / "cgroup"), cgroups)
    cpus = [quota_cpus(_text(group / "cpu.max")) for group in groups]
    memory = [available_mib(_text(proc / "meminfo"))]
    memory += [
        cgroup_mib(_text(group / "memory.max"), _text(group / "memory.current"), _text(group / "memory.stat"))
        for group in groups
    ]
    return Machine(
        cpus=min([usable, *(count for count in cpus if count is not None)]),
        available_mib=min((mib for mib in memory if mib is not None), default=_UNKNOWN_MIB),
    )


def _groups(membership: str, cgroups: Path) -> list[Path]:
    match = _CGROUP_NAME.search(membership)
    own = cgroups / (match[1].lstrip("/") if match else "")
    # Limits of the groups around one's own count as well.
    return [group for group in (own, *own.parents) if group == cgroups or cgroups in group.parents]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""  # not every kernel and container shows it
