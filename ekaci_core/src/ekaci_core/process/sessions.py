"""Processes below a process that left its process group, by the sessions they opened, as /proc shows them."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

_ROUNDS: Final = 5

Sessions = Mapping[int, int | None]
"""Session numbers, each with the start of its leader in clock ticks, None where the leader is gone.

A number is not given away while the session has members; the start tells whether it was given away afterwards.
"""


@attrs.frozen
class ProcessEntry:
    """One line of the process table; ``started`` in clock ticks since boot, ``dead`` if it only waits to be reaped."""

    pid: int
    parent: int
    session: int
    started: int
    dead: bool = False


def parse_stat(text: str) -> ProcessEntry:
    """Parse ``/proc/<pid>/stat``. The command name in it may hold anything, parentheses and spaces included.

    Raises:
        ValueError, IndexError: it is not such a line.
    """
    before, _, after = text.rpartition(")")
    fields = after.split()
    return ProcessEntry(
        pid=int(before.split(" ", 1)[0]),
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        dead=fields[0] in "ZX",
    )


def process_table(root: Path = Path("/proc")) -> dict[int, ProcessEntry]:
    """Read the process table by process number; empty where there is no /proc."""
    table = {}
    for folder in root.iterdir() if root.is_dir() else ():
        if not folder.name.isdecimal():
            continue
        try:
            entry = parse_stat((folder / "stat").read_text(errors="replace"))
        except (OSError, ValueError, IndexError):
            continue  # it went away while we looked
        table[entry.pid] = entry
    return table


def sessions_below(pid: int, table: Mapping[int, ProcessEntry]) -> dict[int, int | None]:
    """Return the sessions of all descendants of ``pid``, other than its own and ours."""
    children: dict[int, list[ProcessEntry]] = {}
    for entry in table.values():
        children.setdefault(entry.parent, []).append(entry)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.add(child.session)
            waiting.append(child.pid)
    return {session: _start_of(session, table) for session in found - {pid, os.getsid(0), 0}}


def members(sessions: Sessions, table: Mapping[int, ProcessEntry]) -> list[int]:
    """Return the living processes that are in one of the sessions, leaving out numbers given to a new session since."""
    same = {number for number, started in sessions.items() if _start_of(number, table) in (started, None)}
    return [entry.pid for entry in table.values() if entry.session in same and not entry.dead]


def kill_sessions(sessions: Sessions) -> None:
    """Send SIGKILL to every process of these sessions, again for those that were forked meanwhile."""
    for _ in range(_ROUNDS if sessions else 0):
        found = members(sessions, process_table())
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # gone already, or of another user: then its owner ends it
        if not found:
            return


def _start_of(pid: int, table: Mapping[int, ProcessEntry]) -> int | None:
    return table[pid].started if pid in table else None
