"""Where log events go."""

from __future__ import annotations

import logging
from typing import Any, Final, TextIO

from ekaci_core.telemetry.redaction import REDACTOR


class _Libraries(logging.StreamHandler[TextIO]):
    """Takes what libraries log by themselves, asyncio's tracebacks among it: otherwise Python prints it as it is."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.setLevel(level)

    def format(self, record: logging.LogRecord) -> str:
        return REDACTOR.text(super().format(record))


class Log:
    """A logger that loads structlog with its first event: that takes a fifth of a second, and most runs log nothing."""

    def __init__(self) -> None:
        self._stream: TextIO | None = None
        self._level = logging.WARNING
        self._logger: Any = None
        self._libraries = _Libraries(logging.WARNING)

    def configure(self, stream: TextIO, level: int) -> None:
        """Send events of ``level`` and above to ``stream`` from now on."""
        self._stream, self._level, self._logger = stream, level, None
        root = logging.getLogger()
        root.removeHandler(self._libraries)
        self._libraries.setStream(stream)
        root.addHandler(self._libraries)

    def debug(self, event: str, /, **fields: object) -> None:
        """Log for developers."""
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Log what an operator may want to know."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log what an operator should look at."""
        self._log(logging.WARNING, event, fields)

    def _log(self, level: int, event: str, fields: dict[str, object]) -> None:
        if self._stream is None or level < self._level:
            return
        if self._logger is None:
            self._logger = _structured(self._stream)
        self._logger.log(level, event, **fields)


LOG: Final = Log()
"""The log of this process; it drops everything until `configure_logs` was called."""


def configure_logs(stream: TextIO, *, level: int = logging.WARNING) -> None:
    """Send events of ``level`` and above to ``stream``, one line each, for the whole process."""
    LOG.configure(stream, level)


def _structured(stream: TextIO) -> Any:
    import structlog  # noqa: PLC0415 - see `Log`

    return structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0),
            _masked,  # last: no field and no traceback gets past it
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
    )


def _masked(_logger: object, _level: str, line: Any) -> str:
    return REDACTOR.text(line)
