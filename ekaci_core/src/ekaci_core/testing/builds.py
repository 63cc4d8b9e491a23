"""Builds that do as they are told: a made-up Nix store and a builder for it, to drive the real scheduler in tests."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel

from ekaci_core.api import Builder, BuildOutcome, BuildRequest, Built, InLocalStore
from ekaci_core.bus import Broadcast
from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.event import ReviewEvent
from ekaci_core.model.ids import DrvPath, StorePath, System, TreeHash
from ekaci_core.nix.dry_run import BuildPlan
from ekaci_core.scheduler import Scheduler, SchedulerSettings
from ekaci_core.store.contract import Store
from ekaci_core.testing.builders import RealClock, SilentLogger

LINUX: Final = System("x86_64-linux")

_ALPHABET: Final = "0123456789abcdfghijklmnpqrsvwxyz"

Act = BuildOutcome | Callable[[BuildRequest], Awaitable[BuildOutcome]]
"""What a builder does with one attempt."""


def drv_path(name: str) -> DrvPath:
    """Return the made-up path of the derivation called ``name``."""
    digest = hashlib.sha256(name.encode()).digest()
    return DrvPath.parse("".join(_ALPHABET[byte % 32] for byte in digest) + f"-{name}.drv")


class ScriptedNix:
    """A made-up Nix store.

    Attributes:
        records: its derivations by name, inputs before dependents.
        valid: names of derivations whose outputs are in the store.
        fetchable: names of those whose outputs a substituter has.
        vanished: names of those whose ``.drv`` file is gone.
    """

    def __init__(self) -> None:
        self.records: dict[str, DerivationRecord] = {}
        self.valid: set[str] = set()
        self.fetchable: set[str] = set()
        self.vanished: set[str] = set()

    def derivation(
        self, name: str, inputs: Iterable[str] = (), *, system: System = LINUX, features: Iterable[str] = ()
    ) -> DrvPath:
        """Make a derivation whose inputs were made before it."""
        path = drv_path(name)
        self.records[name] = DerivationRecord(
            path=path,
            name=name,
            system=system,
            inputs=tuple(self.records[each].path for each in inputs),
            outputs=(Output("out", StorePath(path.removesuffix(".drv"))),),
            features=tuple(features),
        )
        return path

    async def survey(self, drvs: Collection[DrvPath]) -> BuildPlan:
        """Say what these take, as a dry run does."""
        to_build: set[DrvPath] = set()
        to_fetch: set[StorePath] = set()
        pending = [drv.name for drv in drvs]
        while pending:
            name = pending.pop()
            record = self.records[name]
            if name in self.fetchable - self.valid:
                to_fetch.update(output.path for output in record.outputs if output.path is not None)
            elif name not in self.valid and record.path not in to_build:
                to_build.add(record.path)
                pending += [each.name for each in record.inputs]
        unknown = frozenset(StorePath(drv) for drv in drvs if drv.name in self.vanished)
        return BuildPlan(frozenset(to_build), frozenset(to_fetch), unknown)

    async def evaluated(self, store: Store, tree: str = "0" * 40) -> None:
        """Put all derivations into a database, as an evaluation does."""
        key = EvaluationKey(TreeHash(tree), "job", "default.nix", "", "scripted", "source", "")
        evaluation = await store.begin_evaluation(key, now=0, gc_roots="")
        await store.add_evaluated(evaluation, list(self.records.values()), [])
        await store.finish_evaluation(evaluation, now=0)


class ScriptedBuilder(InLocalStore):
    """A builder that follows a script, and watches what it is asked.

    Attributes:
        script: what each attempt at each name does.
        attempts: how often it was asked to build each name.
        order: names in the order in which attempts began.
        running: what it builds now; `peak` is the largest number at once.
        violations: what no builder should have been asked: inputs missing, one derivation twice at once, too many.
    """

    def __init__(
        self,
        nix: ScriptedNix,
        script: Mapping[str, Sequence[Act]] | None = None,
        *,
        name: str = "scripted",
        slots: int = 2,
        systems: Iterable[System] = (LINUX,),
        features: Iterable[str] = (),
        turns: int = 1,
    ) -> None:
        """Build in ``nix``.

        Args:
            nix: where outputs become valid.
            script: by name, what each attempt does; an attempt without an act succeeds.
            name: see `Builder`.
            slots: see `Builder`.
            systems: see `Builder`.
            features: see `Builder`.
            turns: how many turns of the event loop an attempt takes at least.
        """
        self.name = name
        self.slots = slots
        self.systems = frozenset(systems)
        self.features = frozenset(features)
        self.attempts: Counter[str] = Counter()
        self.order: list[str] = []
        self.running: set[str] = set()
        self.peak = 0
        self.violations: list[str] = []
        self._begun: dict[str, anyio.Event] = {}
        self._nix = nix
        self.script = dict(script or {})
        self._turns = turns

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make an attempt by the script."""
        name = request.derivation.name
        self._watch(request.derivation)
        acts = self.script.get(name, ())
        act = acts[self.attempts[name]] if self.attempts[name] < len(acts) else Built()
        self.attempts[name] += 1
        self.order.append(name)
        self.running.add(name)
        if name in self._begun:
            self._begun[name].set()
        self.peak = max(self.peak, len(self.running))
        try:
            for _ in range(self._turns):
                await anyio.lowlevel.checkpoint()
            outcome = await act(request) if callable(act) else act
        finally:
            self.running.discard(name)
        if isinstance(outcome, Built):
            self._nix.valid.add(name)
        return outcome

    async def begun(self, name: str) -> None:
        """Wait until it was asked to build this, by now or later."""
        if not self.attempts[name]:
            await self._begun.setdefault(name, anyio.Event()).wait()

    def _watch(self, record: DerivationRecord) -> None:
        missing = {each.name for each in record.inputs} - self._nix.valid - self._nix.fetchable
        if missing:
            self.violations.append(f"{record.name} without {sorted(missing)}")
        if record.name in self.running:
            self.violations.append(f"{record.name} twice at once")
        if len(self.running) >= self.slots:
            self.violations.append(f"{record.name} without a free slot")


async def for_ever(request: BuildRequest) -> BuildOutcome:
    """Build until somebody stops it."""
    del request
    await anyio.sleep_forever()
    raise AssertionError("unreachable: it sleeps for ever")


def scripted_scheduler(
    store: Store,
    nix: ScriptedNix,
    builders: Sequence[Builder],
    folder: Path,
    *,
    settings: SchedulerSettings | None = None,
    events: Broadcast[ReviewEvent] | None = None,
) -> Scheduler:
    """Return the real scheduler over these, with logs and roots below ``folder``; it looks after others often."""
    return Scheduler(
        store=store,
        builders=builders,
        survey=nix.survey,
        clock=RealClock(),
        log=SilentLogger(),
        events=events or Broadcast(),
        logs_dir=folder / "logs",
        roots_dir=folder / "roots",
        settings=settings or SchedulerSettings(poll_seconds=0.01),
    )
