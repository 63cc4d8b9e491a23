"""Which builder takes what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import attrs

from ekaci_core.api import Builder
from ekaci_core.model.derivation import BUILTIN_SYSTEM, DerivationRecord
from ekaci_core.model.ids import StorePath, System
from ekaci_core.scheduler.wishes import FIXED_OUTPUT_JOBS


@attrs.frozen
class Lane:
    """A queue: derivations that the same builders can take, by their place in the list; false where none can.

    Fixed-output derivations have lanes of their own, as they have a capacity of their own and take no slot.
    """

    builders: tuple[int, ...]
    fixed_output: bool = False

    def __bool__(self) -> bool:
        return bool(self.builders)

    def without(self, at: int) -> Lane:
        """The lane without one builder."""
        return attrs.evolve(self, builders=tuple(each for each in self.builders if each != at))


@attrs.frozen
class Offer:
    """What a builder said of itself when the run began. Its slots are asked each time: they may come and go."""

    builder: Builder
    systems: frozenset[System]
    features: frozenset[str]
    mandatory: frozenset[str]
    speed: float
    is_local: bool

    @classmethod
    def of(cls, builder: Builder) -> Offer:
        """Ask a builder."""
        return cls(
            builder,
            frozenset(builder.systems),
            frozenset(builder.features),
            frozenset(builder.mandatory_features),
            builder.speed_factor,
            builder.is_local,
        )

    def fits(self, system: System, features: Collection[str]) -> bool:
        """Whether it has the platform and every feature, and all of its mandatory ones are asked for.

        Nix's own ``builtin`` builders run on any platform.
        """
        return (
            (system == BUILTIN_SYSTEM or system in self.systems)
            and self.features.issuperset(features)
            and self.mandatory.issubset(features)
        )


class Placement:
    """The builders of a run and their free slots."""

    def __init__(self, builders: Sequence[Builder], *, fixed_output_jobs: int = FIXED_OUTPUT_JOBS) -> None:
        """Offer what these builders have.

        Args:
            builders: in order of preference where nothing else decides. One without a slot may get some later; leave
                out those that never will.
            fixed_output_jobs: how many fixed-output derivations may be built beside what takes slots.
        """
        self.offers = [Offer.of(builder) for builder in builders]
        self._used = [0] * len(self.offers)
        self._reserved = [0] * len(self.offers)
        self._left_out: set[int] = set()
        self._fixed_output_free = fixed_output_jobs
        self._lanes: dict[Lane, Lane] = {}

    def lane_of(self, record: DerivationRecord) -> Lane:
        """Say which builders can take a derivation. One that prefers this machine leaves it only if it must."""
        fitting = [at for at, offer in enumerate(self.offers) if offer.fits(record.system, record.features)]
        local = [at for at in fitting if self.offers[at].is_local]
        chosen = local if record.prefer_local and local else fitting
        lane = Lane(tuple(chosen), any(output.is_fixed for output in record.outputs))
        return self._lanes.setdefault(lane, lane)

    def why_none(self, system: System, features: Iterable[str]) -> str:
        """Say in one sentence why no builder takes it."""
        if not self.offers:
            return "there is no builder"
        wanted = frozenset(features)
        able = [offer for offer in self.offers if system == BUILTIN_SYSTEM or system in offer.systems]
        if not able:
            return f"no builder builds for {system}"
        missing = min((sorted(wanted - offer.features) for offer in able), key=len)
        if missing:
            return f"no builder for {system} has the feature{_s(missing)} {', '.join(missing)}"
        fitting = (offer for offer in able if wanted <= offer.features)
        needed = min((sorted(offer.mandatory - wanted) for offer in fitting), key=len)
        return f"every builder for {system} only takes what requires the feature{_s(needed)} {', '.join(needed)}"

    def free(self, lane: Lane, inputs: Collection[StorePath] = ()) -> int | None:
        """Return the builder of this lane that should be given the next derivation, None where all have enough.

        A faster one goes first, then the one that has more of the inputs, then the one with most free slots.
        """
        if lane.fixed_output:
            able = tuple(at for at in lane.builders if self._fetches(at))
        else:
            able = tuple(at for at in lane.builders if self._free(at) > 0)
        if len(able) <= 1:
            return able[0] if able else None
        return max(able, key=lambda at: self._merit(at, inputs))

    def slots(self, at: int) -> int:
        """How many slots a builder has now, free or not."""
        return 0 if at in self._left_out else self.offers[at].builder.slots

    def leave_out(self, at: int) -> None:
        """Give a builder nothing from now on."""
        self._left_out.add(at)

    def answers(self, lane: Lane) -> bool:
        """Whether a builder of this lane has any slots now."""
        return any(self.slots(at) > 0 for at in lane.builders)

    def has_slot(self, at: int, lane: Lane) -> bool:
        """Whether a builder has a free slot for what waits for this very builder."""
        slots = self.slots(at)
        return slots > 0 and self._fixed_output_free > 0 if lane.fixed_output else slots > self._used[at]

    def reserve(self, at: int) -> None:
        """Have a builder, which is elsewhere, be brought what one build needs."""
        self._reserved[at] += 1

    def unreserve(self, at: int) -> None:
        """Undo `reserve`."""
        self._reserved[at] -= 1

    def take(self, at: int, lane: Lane) -> None:
        """Occupy a slot."""
        if lane.fixed_output:
            self._fixed_output_free -= 1
        else:
            self._used[at] += 1

    def give_back(self, at: int, lane: Lane) -> None:
        """Free a slot."""
        if lane.fixed_output:
            self._fixed_output_free += 1
        else:
            self._used[at] -= 1

    def _fetches(self, at: int) -> bool:
        offer = self.offers[at]
        return self._fixed_output_free > 0 and (self.slots(at) > 0 if offer.is_local else self._free(at) > 0)

    def _free(self, at: int) -> int:
        # A builder elsewhere is brought the inputs of as many builds as it has slots, whatever it builds meanwhile.
        offer = self.offers[at]
        return self.slots(at) - (self._used[at] if offer.is_local else self._reserved[at])

    def _merit(self, at: int, inputs: Collection[StorePath]) -> tuple[float, int, int]:
        offer = self.offers[at]
        there = offer.builder.present(inputs) if inputs else 0
        return offer.speed, there, self._free(at)


def _s(names: Sequence[str]) -> str:
    return "s" if len(names) > 1 else ""
