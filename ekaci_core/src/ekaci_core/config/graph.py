"""How much of a run's graph is in memory: ``graph_lru_capacity`` at the top of the file, and the table ``[graph]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
import cattrs

from ekaci_core.config.convert import WrongValue, expected, explain, strict_converter
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.machine_file import MachineFile

CAPACITY_VARIABLE: Final = "EKA_CI_GRAPH_LRU_CAPACITY"
"""Wins over the file."""

_MOST: Final = 1_000_000_000
_DO: Final = "see `[graph]` in the reference of the `ekaci` command"

_converter: Final = strict_converter()


@attrs.frozen
class GraphAges:
    """The table ``[graph]``: what nobody needed for so long leaves memory.

    Attributes:
        tier1_age_seconds: of transitive failures.
        tier2_age_seconds: of other failures and interruptions.
        tier3_age_seconds: of successes.
    """

    tier1_age_seconds: float = 3_600
    tier2_age_seconds: float = 21_600
    tier3_age_seconds: float = 86_400


@attrs.frozen
class GraphSettings:
    """Bounds of the graph. ``capacity`` is the most derivations in memory, 0 for all."""

    capacity: int = 100_000
    ages: GraphAges = GraphAges()


def parse_graph(file: MachineFile, environment: Mapping[str, str]) -> GraphSettings:
    """Take both from file and environment; what is left out has its default.

    Raises:
        ConfigurationFault: a value cannot be used; names every fault of the one or the other.
    """
    text = environment.get(CAPACITY_VARIABLE)
    origin, shown = ("the environment", CAPACITY_VARIABLE) if text else (file.origin, "graph_lru_capacity")
    faults: list[str] = []
    capacity, ages = 0, GraphAges()
    try:
        capacity = _capacity(_number_of(text) if text else file.contents.get("graph_lru_capacity", 100_000))
    except WrongValue as wrong:
        if text:
            raise ConfigurationFault(origin, [f"{shown}: {wrong}"], do=_DO) from None
        faults.append(f"{shown}: {wrong}")
    try:
        ages = _converter.structure(file.contents.get("graph", {}), GraphAges)
        faults += [
            f"graph.{name}: expected at least 1, got {value:g}"
            for name, value in attrs.asdict(ages).items()
            if not value >= 1
        ]
    except (WrongValue, cattrs.ClassValidationError) as error:
        faults += explain(error, at="graph")
    if faults:
        raise ConfigurationFault(file.origin, faults, do=_DO)
    return GraphSettings(capacity, ages)


def _capacity(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        expected(f"a whole number from 0 (all) to {_MOST}", value)
    return int(value)


def _number_of(text: str) -> int | str:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(_MOST)) else digits
