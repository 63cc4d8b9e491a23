"""How much is built at once and for how long: keys at the top of the machine's configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ekaci_core.config.convert import WrongValue, expected
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.graph import GraphSettings, parse_graph
from ekaci_core.config.machine_file import MachineFile

PREFIX: Final = "EKA_CI_"
"""Of the variable that stands for a key: ``EKA_CI_FOD_MAX_JOBS``; it wins over the file."""


@attrs.frozen
class BuildingSettings:
    """Bounds of building.

    Attributes:
        local_max_jobs: builds at once on this machine; 0 for none here, None for what suits the machine.
        fod_max_jobs: fixed-output derivations at once, beside what takes slots; None for what suits the machine.
        build_no_output_timeout_seconds: a build that prints nothing for so long is ended.
        build_max_duration_seconds: a build that takes so long is ended.
        graph: how much of the graph of what is to be built is in memory.
    """

    local_max_jobs: int | None = None
    fod_max_jobs: int | None = None
    build_no_output_timeout_seconds: int = 1200
    build_max_duration_seconds: int = 14400
    graph: GraphSettings = GraphSettings()


_BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "local_max_jobs": (0, 10_000),
    "fod_max_jobs": (1, 10_000),
    "build_no_output_timeout_seconds": (30, 86_400),
    "build_max_duration_seconds": (60, 604_800),
}


def parse_building(file: MachineFile, environment: Mapping[str, str]) -> BuildingSettings:
    """Take the keys from file and environment; what is left out has its default.

    Raises:
        ConfigurationFault: a value cannot be used; names every fault, of the environment's first.
    """
    values: dict[str, int] = {}
    faults: dict[str, list[str]] = {"the environment": [], file.origin: []}
    for key, bounds in _BOUNDS.items():
        variable = f"{PREFIX}{key.upper()}"
        if text := environment.get(variable):
            origin, shown, value = "the environment", variable, _number_of(text)
        elif key in file.contents:
            origin, shown, value = file.origin, key, file.contents[key]
        else:
            continue
        try:
            values[key] = _within(value, *bounds)
        except WrongValue as wrong:
            faults[origin].append(f"{shown}: {wrong}")
    for origin, found in faults.items():
        if found:
            raise ConfigurationFault(origin, found, do="see `Building` in the reference of the `ekaci` command")
    return BuildingSettings(**values, graph=parse_graph(file, environment))


def _within(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        expected(f"a whole number from {low} to {high}", value)
    return value


def _number_of(text: str) -> int | str:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < len("1000000000") else text
