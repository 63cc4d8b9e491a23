"""How much of the graph of a run is in memory."""

from __future__ import annotations

import attrs


@attrs.frozen
class GraphLimits:
    """Bounds of what is in memory.

    Attributes:
        capacity: the most derivations, at least 1; None for all. More are there only where all of them are pinned.
        tier1_age_seconds: transitive failures leave when nothing was seen of them for so long.
        tier2_age_seconds: likewise other failures and interruptions.
        tier3_age_seconds: likewise successes.
    """

    capacity: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(1)))
    tier1_age_seconds: float = 3_600
    tier2_age_seconds: float = 21_600
    tier3_age_seconds: float = 86_400
