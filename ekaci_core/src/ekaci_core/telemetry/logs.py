"""Where log events go."""

from __future__ import annotations

import logging
from typing import TextIO

import structlog


def configure_logs(stream: TextIO, *, level: int = logging.WARNING) -> None:
    """Send events of ``level`` and above to ``stream``, one line each, for the whole process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
