"""Logs to read, in every form that one has on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ekaci_core.logs import BuildLog, LogFiles, chunks, open_log, seal

FORMS: Final = ("plain", "in segments", "sealed")


def whole(path: Path) -> bytes:
    with open_log(path) as log:
        return b"".join(chunks(log))


def stored(path: Path, data: bytes, form: str) -> Path:
    """Write a log that is kept whole, in one of `FORMS`."""
    segments = form == "in segments"
    with BuildLog(path, limit=len(data), tail=len(data) - len(data) // 4) if segments else BuildLog(path) as log:
        log.write(data)
    if form == "sealed":
        assert seal(path)
        assert not path.exists()
    assert bool(LogFiles(path).segments()) == segments
    return path
