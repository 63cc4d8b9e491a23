"""Why one attribute fails, in a few words."""

from __future__ import annotations

from ekaci_core.model.build import BuildState
from ekaci_core.model.change import Outcome, Standing
from ekaci_core.reporting.clean import clean
from ekaci_core.reporting.digest import Digest
from ekaci_core.reporting.wording import few


def why(outcome: Outcome, found: Digest) -> str:
    """Name the reason of its own derivation, else the dependencies at fault; nothing where it does not fail."""
    head = outcome.change.head
    if outcome.standing is Standing.NEWLY_SUCCEEDING or head is None:
        return ""
    culprits = found.failures_of.get(outcome.change.place, ())
    own = next((each for each in culprits if each.drv == head.drv), None)
    if own:
        return "timed out" if own.state is BuildState.TIMEOUT else clean(own.reason)
    return f"because of {few([each.drv.name for each in culprits], 2)}" if culprits else "fails"
