"""What is left of a build when Nix itself was killed.

The system kills the builder's first process together with Nix, but not what that one had started. They are found by
the environment that Nix gave them. A build with structured attributes does not have its outputs there, and is missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import anyio

from ekaci_core.model.derivation import Output
from ekaci_core.process.sessions import kill_sessions, process_table

_LOOKS: Final = 20
_PAUSE_SECONDS: Final = 0.05


async def end_strays(outputs: Iterable[Output]) -> None:
    """Kill the orphaned sessions of a build that made these outputs."""
    marks = tuple(f"\0{output.name}={output.path}\0".encode() for output in outputs if output.path is not None)
    for _ in range(_LOOKS):
        table = process_table()
        members = [entry for entry in table.values() if _has_any(Path(f"/proc/{entry.pid}/environ"), marks)]
        # While a session's leader lives it is dying with its Nix, or it is somebody else's build of the same.
        leaders = {entry.session: table.get(entry.session) for entry in members}
        orphaned = {
            number: None if leader is None else leader.started
            for number, leader in leaders.items()
            if leader is None or leader.dead
        }
        kill_sessions(orphaned)
        if len(orphaned) == len(leaders):
            return
        await anyio.sleep(_PAUSE_SECONDS)


def _has_any(environ: Path, marks: tuple[bytes, ...]) -> bool:
    try:
        variables = b"\0" + environ.read_bytes()
    except OSError:
        return False  # it went away, or is another user's
    return any(mark in variables for mark in marks)
