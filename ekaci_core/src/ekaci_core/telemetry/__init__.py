"""Logs: events with fields, for operators and for finding faults."""

from ekaci_core.telemetry.logs import LOG, configure_logs

__all__ = ["LOG", "configure_logs"]
