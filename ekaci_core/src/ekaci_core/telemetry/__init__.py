"""Logs: events with fields, for operators and for finding faults."""

from ekaci_core.telemetry.logs import configure_logs

__all__ = ["configure_logs"]
