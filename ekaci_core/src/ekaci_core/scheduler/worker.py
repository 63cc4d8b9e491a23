"""Who holds a claim: a name that tells others on the same machine whether its process still lives."""

from __future__ import annotations

import itertools
import os
import platform
from pathlib import Path
from typing import Final

import attrs

_PARTS: Final = 5
_numbers = itertools.count(1)


@attrs.frozen
class ProcessName:
    """A process, told from all others that ever had its number.

    Attributes:
        machine: host name, boot and process namespace: within one of these, process numbers mean the same.
        pid: its number.
        started: when the kernel started it, in ticks since boot; empty where the system does not say.
    """

    machine: str
    pid: int
    started: str

    @property
    def is_dead(self) -> bool:
        """Whether it is known to be gone; a process of another machine may well live."""
        if self.machine != _machine():
            return False
        if not _exists(self.pid):
            return True
        started = _start_of(self.pid)
        return bool(self.started and started) and started != self.started


def worker_name() -> str:
    """Name a new worker of this process, ``host:boot:namespace:pid:start#number``."""
    pid = os.getpid()
    return f"{_machine()}:{pid}:{_start_of(pid)}#{next(_numbers)}"


def process_of(worker: str) -> ProcessName | None:
    """Parse a worker's name; None if somebody else made it up."""
    name, _, _ = worker.rpartition("#")
    parts = name.rsplit(":", _PARTS - 1)
    if len(parts) != _PARTS or not parts[3].isdecimal():
        return None
    return ProcessName(machine=":".join(parts[:3]), pid=int(parts[3]), started=parts[4])


def _machine() -> str:
    host = platform.node().replace(":", "_")
    return f"{host}:{_text('/proc/sys/kernel/random/boot_id')}:{_link('/proc/self/ns/pid')}"


def _start_of(pid: int) -> str:
    # Field 22 of proc(5) stat; the name in field 2 may hold anything, parentheses and blanks included.
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""  # noqa: PLR2004


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] != ["Z"]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink()).replace(":", "")
    except OSError:
        return ""
