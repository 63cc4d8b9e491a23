"""Build logs on disk: bounded while they are written, compressed afterwards, readable at every moment."""

from ekaci_core.logs.files import LogFiles, LogInUse, is_live, log_of
from ekaci_core.logs.following import Follower
from ekaci_core.logs.plain_log import PlainLog
from ekaci_core.logs.reading import (
    SHOWN_LINE_BYTES,
    chunks,
    lines_in,
    open_log,
    shown,
    start_of_last,
    start_of_line,
    tail,
)
from ekaci_core.logs.seal import SEAL_FROM_BYTES, seal, sweep_unfinished
from ekaci_core.logs.sealed_log import DamagedLog, SealedLog
from ekaci_core.logs.writer import LOG_BYTES, TAIL_BYTES, BuildLog

__all__ = [
    "LOG_BYTES",
    "SEAL_FROM_BYTES",
    "SHOWN_LINE_BYTES",
    "TAIL_BYTES",
    "BuildLog",
    "DamagedLog",
    "Follower",
    "LogFiles",
    "LogInUse",
    "PlainLog",
    "SealedLog",
    "chunks",
    "is_live",
    "lines_in",
    "log_of",
    "open_log",
    "seal",
    "shown",
    "start_of_last",
    "start_of_line",
    "sweep_unfinished",
    "tail",
]
