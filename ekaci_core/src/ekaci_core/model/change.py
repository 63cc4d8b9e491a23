"""How head differs from base."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.model.evaluation import AttributeFault
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.model.package import PackageMeta


class Change(enum.Enum):
    """How one attribute differs between base and head."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"  # another derivation


@attrs.frozen
class Side:
    """An attribute as one side has it. ``version`` and ``pname`` fall back on the derivation's name."""

    drv: DrvPath
    name: str
    pname: str
    version: str | None
    meta: PackageMeta


@attrs.frozen(order=True)
class Place:
    """An attribute of a job: only together do they name one thing."""

    job: str
    attr: AttrPath


@attrs.frozen
class AttributeChange:
    """An attribute that is not the same derivation on both sides. At least one side is there.

    ``base_fault`` and ``head_fault`` say why a side is not there: it, or its whole job, could not be evaluated.
    """

    job: str
    attr: AttrPath
    system: System
    base: Side | None
    head: Side | None
    base_fault: bool = False
    head_fault: bool = False

    @property
    def place(self) -> Place:
        """Its name within the review."""
        return Place(self.job, self.attr)

    @property
    def change(self) -> Change:
        """Added, removed or changed."""
        if self.base is None:
            return Change.ADDED
        return Change.REMOVED if self.head is None else Change.CHANGED

    @property
    def is_version_bump(self) -> bool:
        """Same package, another version."""
        base, head = self.base, self.head
        if base is None or head is None or base.pname != head.pname:
            return False
        return base.version is not None and head.version is not None and base.version != head.version

    @property
    def is_renamed(self) -> bool:
        """Another package under the same attribute."""
        return self.base is not None and self.head is not None and self.base.pname != self.head.pname

    @property
    def licenses_changed(self) -> bool:
        """Whether the sets of licences differ."""
        return self.base is not None and self.head is not None and self.base.meta.licenses != self.head.meta.licenses

    @property
    def maintainers_changed(self) -> bool:
        """Whether the sets of maintainers differ."""
        return (
            self.base is not None and self.head is not None and self.base.meta.maintainers != self.head.meta.maintainers
        )

    @property
    def is_rebuild_only(self) -> bool:
        """Changed, and only because something below it changed or its recipe did: nothing a reader would name."""
        return (
            self.change is Change.CHANGED
            and not self.is_version_bump
            and not self.is_renamed
            and not self.licenses_changed
            and not self.maintainers_changed
        )


@attrs.frozen
class JobComparison:
    """One job, base against head.

    ``missing_on`` is ``head`` where head drops the job, ``base`` where head adds it, else None. ``meta_only`` are
    attributes whose derivation is the same and whose licences, maintainers or marks (broken, insecure, unfree) differ;
    ``unchanged`` counts them too. ``new_faults`` are those of ``head_faults`` that base has not, ``fixed_faults`` those
    of ``base_faults`` that head has not. ``allow_eval_failures`` is base's word.
    """

    job: str
    changes: tuple[AttributeChange, ...]
    unchanged: int
    meta_only: tuple[AttributeChange, ...]
    base_faults: tuple[AttributeFault, ...]
    head_faults: tuple[AttributeFault, ...]
    new_faults: tuple[AttributeFault, ...]
    fixed_faults: tuple[AttributeFault, ...]
    missing_on: str | None = None
    allow_eval_failures: bool = False

    @property
    def known_faults(self) -> tuple[AttributeFault, ...]:
        """Faults that both sides have, as head says them; marks are left out."""
        new = set(self.new_faults)
        return tuple(fault for fault in self.head_faults if fault not in new and not fault.is_marker)

    @property
    def packages_on_base(self) -> int:
        """Count the derivations that base has."""
        return self.unchanged + sum(each.base is not None for each in self.changes)

    @property
    def packages_on_head(self) -> int:
        """Count the derivations that head has."""
        return self.unchanged + sum(each.head is not None for each in self.changes)

    def count(self, change: Change) -> int:
        """Count the attributes that changed in this way."""
        return sum(each.change is change for each in self.changes)


@attrs.frozen
class BlastRadius:
    """A new derivation that is a package, and what rebuilds because of it.

    ``dependents`` counts strict transitive dependents within head's closure; ``attrs`` are the attributes that are
    this derivation.
    """

    drv: DrvPath
    name: str
    system: System
    attrs: tuple[AttrPath, ...]
    dependents: int


@attrs.frozen
class Impact:
    """What must be rebuilt.

    ``new_derivations``: by system, derivations in head's closure that base's closure has not.
    ``rebuilt_packages``: by system, attributes added or changed.
    ``dependents``: for every new derivation that is an attribute of head, its strict transitive dependents within
    head's closure. ``top``: the first of these, most dependents first, then by path.
    """

    new_derivations: Mapping[System, int]
    rebuilt_packages: Mapping[System, int]
    top: tuple[BlastRadius, ...]
    dependents: Mapping[DrvPath, int] = attrs.field(factory=dict)

    @property
    def total(self) -> int:
        """Count the new derivations of all systems."""
        return sum(self.new_derivations.values())

    @property
    def widest(self) -> tuple[BlastRadius, ...]:
        """Those of ``top`` on which anything depends."""
        return tuple(each for each in self.top if each.dependents)


class Standing(enum.Enum):
    """What an added or changed attribute's builds on both sides say together."""

    NEWLY_FAILING = "newly failing"
    STILL_FAILING = "still failing"
    FAILING_BASE_UNKNOWN = "failing, base unknown"
    NEWLY_SUCCEEDING = "newly succeeding"
    STILL_SUCCEEDING = "still succeeding"
    SUCCEEDING_BASE_UNKNOWN = "succeeding, base unknown"
    ADDED_SUCCEEDING = "added, succeeding"
    UNKNOWN = "not known yet"
    REMOVED = "removed"


@attrs.frozen
class Outcome:
    """An attribute change together with what is known of its builds. None: nothing is known.

    ``flaky`` says that head's derivation failed in one attempt and passed in a later one.
    """

    change: AttributeChange
    base_state: BuildState | None
    head_state: BuildState | None
    standing: Standing
    flaky: bool = False


@attrs.frozen
class Failure:
    """Why attributes of head fail: the derivation that failed, its log's end, and how to see it again.

    ``places`` are the attributes that it breaks, at least one. ``drv`` is the attribute's own derivation or the
    dependency that failed. ``log_tail`` has at most 30 lines.
    ``reason`` is a sentence, for example ``builder failed with exit code 1``.
    """

    places: tuple[Place, ...]
    drv: DrvPath
    system: System
    state: BuildState
    reason: str
    log_tail: tuple[str, ...]
    log_path: str | None
    reproduce: str
    on_base_too: bool

    @property
    def attrs(self) -> tuple[AttrPath, ...]:
        """The paths of what it breaks, each once although several jobs may have it."""
        return tuple(sorted({place.attr for place in self.places}))
