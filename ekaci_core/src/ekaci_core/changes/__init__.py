"""How head differs from base: attributes, rebuilds and what the builds of both sides say together."""

from ekaci_core.changes.builds import read_builds, read_flaky
from ekaci_core.changes.describe import JobContents, compare_jobs
from ekaci_core.changes.impact import measure_impact
from ekaci_core.changes.standing import outcomes_of, standing_of, works

__all__ = [
    "JobContents",
    "compare_jobs",
    "measure_impact",
    "outcomes_of",
    "read_builds",
    "read_flaky",
    "standing_of",
    "works",
]
