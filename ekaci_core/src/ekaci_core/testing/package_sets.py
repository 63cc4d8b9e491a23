"""Whole package sets, recorded or made up: as large as real ones, to measure and test the scheduler with."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.ids import STORE_DIR, DrvPath, StorePath, System, TreeHash
from ekaci_core.nix.dry_run import BuildPlan
from ekaci_core.store.contract import Store

_LINUX: Final = System("x86_64-linux")
_LETTERS: Final = "0123456789abcdfghijklmnpqrsvwxyz"
_NEAR: Final = 1000


class PackageSet:
    """Derivations in a made-up Nix store.

    Attributes:
        records: by path, inputs before dependents.
        valid: those whose outputs are in the store.
    """

    def __init__(self, records: Iterable[DerivationRecord]) -> None:
        self.records = {record.path: record for record in records}
        self.valid: set[DrvPath] = set()

    @classmethod
    def recorded(cls, file: Path) -> PackageSet:
        """Read a recorded closure: a line with drv, name, system and inputs for each derivation.

        What a derivation asks of a builder is left out, so that any machine takes it.
        """
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows = {row["drv"]: row for row in map(json.loads, lines)}
        return cls(_record(drv, rows[drv]["name"], rows[drv]["inputs"]) for drv in _inputs_first(rows))

    @classmethod
    def random(
        cls, count: int, edges_each: int, *, seed: int = 1, near: int = _NEAR, name_length: int = 0
    ) -> PackageSet:
        """Make up derivations that need some of those before them; the same for the same arguments.

        Args:
            count: how many.
            edges_each: how many each needs, where there are so many.
            seed: of the dice.
            near: how far before it they are at most: so many may be runnable at once.
            name_length: of the names at least.
        """
        dice = random.Random(seed)  # noqa: S311 - no secret
        drvs: list[str] = []
        records = []
        for number in range(count):
            before = range(max(0, number - near), number)
            chosen = sorted(dice.sample(before, min(edges_each, len(before))))
            name = f"n{number}".ljust(name_length, "x")
            drvs.append(f"{number:032d}-{name}.drv")
            records.append(_record(drvs[-1], name, (drvs[each] for each in chosen)))
        return cls(records)

    @property
    def tops(self) -> list[DrvPath]:
        """Those that no other needs."""
        needed = {each for record in self.records.values() for each in record.inputs}
        return [drv for drv in self.records if drv not in needed]

    def renewed(self, tag: str) -> PackageSet:
        """The same packages after a change to all of them: other hashes, same names."""
        path_of = {drv: _other(drv, tag) for drv in self.records}
        return PackageSet(
            attrs.evolve(
                record,
                path=path_of[drv],
                inputs=tuple(path_of[each] for each in record.inputs),
                outputs=(Output("out", StorePath(path_of[drv].removesuffix(".drv"))),),
            )
            for drv, record in self.records.items()
        )

    def __or__(self, other: PackageSet) -> PackageSet:
        """Both in one store."""
        both = PackageSet((*self.records.values(), *other.records.values()))
        both.valid = self.valid | other.valid
        return both

    async def survey(self, drvs: Collection[DrvPath]) -> BuildPlan:
        """Say what these take, as a dry run does."""
        found: set[DrvPath] = set()
        pending = [drv for drv in drvs if drv not in self.valid]
        while pending:
            drv = pending.pop()
            if drv not in found:
                found.add(drv)
                pending += [each for each in self.records[drv].inputs if each not in found and each not in self.valid]
        return BuildPlan(frozenset(found))

    async def evaluated(self, store: Store) -> None:
        """Put all of them into a database, as an evaluation does."""
        key = EvaluationKey(TreeHash("0" * 40), "job", "default.nix", "", "made up", "source", "")
        evaluation = await store.begin_evaluation(key, now=0, gc_roots="")
        records = list(self.records.values())
        for first in range(0, len(records), _NEAR):
            await store.add_evaluated(evaluation, records[first : first + _NEAR], [])
        await store.finish_evaluation(evaluation, now=0)


def _record(drv: str, name: str, inputs: Iterable[str]) -> DerivationRecord:
    path = DrvPath(f"{STORE_DIR}/{drv}")
    needed = tuple(DrvPath(f"{STORE_DIR}/{each}") for each in inputs)
    return DerivationRecord(path, name, _LINUX, needed, (Output("out", StorePath(path.removesuffix(".drv"))),))


def _other(drv: DrvPath, tag: str) -> DrvPath:
    digest = hashlib.sha256(f"{tag} {drv}".encode()).digest()
    return DrvPath(f"{STORE_DIR}/" + "".join(_LETTERS[byte % 32] for byte in digest) + f"-{drv.name}.drv")


def _inputs_first(rows: Mapping[str, Mapping[str, list[str]]]) -> list[str]:
    ordered: dict[str, None] = {}
    for root in rows:
        stack = [root]
        while stack:
            waiting = [each for each in rows[stack[-1]]["inputs"] if each not in ordered]
            if waiting:
                stack.extend(waiting)
            else:
                ordered.setdefault(stack.pop())
    return list(ordered)
