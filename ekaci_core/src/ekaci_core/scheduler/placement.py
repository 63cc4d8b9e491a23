"""Which builder takes what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from ekaci_core.api import Builder
from ekaci_core.model.derivation import BUILTIN_SYSTEM
from ekaci_core.model.ids import System

Lane = tuple[int, ...]
"""The builders that can take a derivation, by their place in the list; empty where none can."""


@attrs.frozen
class Offer:
    """What a builder said of itself when the run began."""

    builder: Builder
    systems: frozenset[System]
    features: frozenset[str]

    @classmethod
    def of(cls, builder: Builder) -> Offer:
        """Ask a builder."""
        return cls(builder, frozenset(builder.systems), frozenset(builder.features))

    def fits(self, system: System, features: Iterable[str]) -> bool:
        """Whether it has the platform and every feature. Nix's own ``builtin`` builders run on any platform."""
        return (system == BUILTIN_SYSTEM or system in self.systems) and self.features.issuperset(features)


class Placement:
    """The builders of a run and their free slots."""

    def __init__(self, builders: Sequence[Builder]) -> None:
        offering = [builder for builder in builders if builder.slots > 0]
        self.offers = [Offer.of(builder) for builder in offering]
        self._free = [builder.slots for builder in offering]

    def lane(self, system: System, features: Iterable[str]) -> Lane:
        """Say which builders can take a derivation of this platform and with these required features."""
        wanted = tuple(features)
        return tuple(at for at, offer in enumerate(self.offers) if offer.fits(system, wanted))

    def why_none(self, system: System, features: Iterable[str]) -> str:
        """Say in one sentence why no builder takes it."""
        if not self.offers:
            return "there is no builder"
        fitting = [offer for offer in self.offers if offer.fits(system, ())]
        if not fitting:
            return f"no builder builds for {system}"
        missing = min((sorted(set(features) - offer.features) for offer in fitting), key=len)
        return f"no builder for {system} has the feature{'s' if len(missing) > 1 else ''} {', '.join(missing)}"

    def free(self, lane: Lane) -> int | None:
        """Return the builder of this lane with most free slots, None where all are busy."""
        best = max(lane, key=lambda at: self._free[at], default=None)
        return best if best is not None and self._free[best] > 0 else None

    def take(self, at: int) -> None:
        """Occupy a slot."""
        self._free[at] -= 1

    def give_back(self, at: int) -> None:
        """Free a slot."""
        self._free[at] += 1
