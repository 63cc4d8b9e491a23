"""Logs: events with fields, for operators and for finding faults; and the masks that hide secrets in all logs."""

from ekaci_core.telemetry.logs import LOG, configure_logs
from ekaci_core.telemetry.redaction import REDACTOR, RedactedStream, Redactor, conceal

__all__ = ["LOG", "REDACTOR", "RedactedStream", "Redactor", "conceal", "configure_logs"]
