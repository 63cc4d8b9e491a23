"""How much is built at once and for how long: keys at the top of the machine's configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ekaci_core.config.bounds import BuildingSettings
from ekaci_core.config.convert import WrongValue, strict_converter
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.graph import GraphSettings, parse_graph
from ekaci_core.config.machine_file import MachineFile
from ekaci_core.config.rules import register_rules

__all__ = ["PREFIX", "BuildingSettings", "MachineBuilding", "parse_building", "whole_number"]

PREFIX: Final = "EKA_CI_"
"""Of the variable that stands for a key: ``EKA_CI_FOD_MAX_JOBS``; it wins over the file."""

_converter: Final = strict_converter()
register_rules(_converter)
attrs.resolve_types(BuildingSettings)


@attrs.frozen
class MachineBuilding(BuildingSettings):
    """The bounds of building on this machine. ``graph`` says how much of what is to be built is in memory."""

    graph: GraphSettings = GraphSettings()


def parse_building(file: MachineFile, environment: Mapping[str, str]) -> MachineBuilding:
    """Take the keys from file and environment; what is left out has its default.

    Raises:
        ConfigurationFault: a value cannot be used; names every fault, of the environment's first.
    """
    values: dict[str, int] = {}
    faults: dict[str, list[str]] = {"the environment": [], file.origin: []}
    for field in attrs.fields(BuildingSettings):
        key, variable = field.name, f"{PREFIX}{field.name.upper()}"
        if text := environment.get(variable):
            origin, shown, value = "the environment", variable, whole_number(text)
        elif key in file.contents:
            origin, shown, value = file.origin, key, file.contents[key]
        else:
            continue
        try:
            values[key] = _converter.structure(value, field.type or int)
        except WrongValue as wrong:
            faults[origin].append(f"{shown}: {wrong}")
    for origin, found in faults.items():
        if found:
            raise ConfigurationFault(origin, found, do="see `Building` in the reference of the `ekaci` command")
    return MachineBuilding(**values, graph=parse_graph(file, environment))


def whole_number(text: str) -> int | str:
    """Read a number from a variable or an option; what is none stays text."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < len("1000000000") else text
