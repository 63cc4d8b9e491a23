"""Builds what is wanted with the builders that are open, each derivation once, and survives being killed."""

from ekaci_core.scheduler.attempt import gc_root, log_path
from ekaci_core.scheduler.backoff import Backoff
from ekaci_core.scheduler.planning import Survey
from ekaci_core.scheduler.run import BuildRun, OnFailure
from ekaci_core.scheduler.scheduler import Scheduler
from ekaci_core.scheduler.wishes import ATTRIBUTION_PRIORITY, HEAD_PRIORITY, SchedulerSettings, Wanted

__all__ = [
    "ATTRIBUTION_PRIORITY",
    "HEAD_PRIORITY",
    "Backoff",
    "BuildRun",
    "OnFailure",
    "Scheduler",
    "SchedulerSettings",
    "Survey",
    "Wanted",
    "gc_root",
    "log_path",
]
