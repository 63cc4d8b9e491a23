"""``[[builders]]``: who builds. What stands in each table is the affair of its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
import cattrs

from ekaci_core.config.convert import WrongValue, expected, explain, strict_converter
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.machine_file import MachineFile
from ekaci_core.model.errors import UsageFault

LOCAL: Final = "local"
"""The type of the one builder that is there without being configured."""

_WITH_ADDRESS: Final = "ssh"
_DO: Final = "see the reference of builders"

ConfigOf = Callable[[str], type[Any]]
"""Returns the class of a type's configuration.

Raises:
    UsageFault: no active plugin brings the type.
"""

_converter: Final = strict_converter()


@attrs.frozen
class BuilderEntry:
    """One table.

    Attributes:
        at: its address, ``builders[1]``.
        kind: the name of its type.
        config: of the type's own class.
    """

    at: str
    kind: str
    config: Any


def parse_builders(file: MachineFile, config_of: ConfigOf) -> tuple[BuilderEntry, ...]:
    """Structure every table; ``type`` is ``ssh`` where it is left out and there is a ``uri``.

    Raises:
        ConfigurationFault: one cannot be used; names every fault with its address.
    """
    raw = file.contents.get("builders", [])
    if not isinstance(raw, list):
        raise ConfigurationFault(file.origin, ["builders: expected tables, written [[builders]]"], do=_DO)
    entries: list[BuilderEntry] = []
    faults: list[str] = []
    for index, table in enumerate(raw):
        at = f"builders[{index}]"
        try:
            entries.append(_entry(at, table, config_of))
        except _Faulty as faulty:
            faults += faulty.faults
    here = [entry.at for entry in entries if entry.kind == LOCAL]
    faults += [f"{at}: {here[0]} is this machine's already, and there is one only" for at in here[1:]]
    if faults:
        raise ConfigurationFault(file.origin, faults, do=_DO)
    return tuple(entries)


class _Faulty(Exception):
    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(faults)
        self.faults = faults


def _entry(at: str, table: object, config_of: ConfigOf) -> BuilderEntry:
    try:
        if not isinstance(table, Mapping):
            expected("a table", table)
    except WrongValue as wrong:
        raise _Faulty([f"{at}: {wrong}"]) from None
    keys = {key: value for key, value in table.items() if key != "type"}
    kind = _kind(at, table)
    try:
        return BuilderEntry(at, kind, _converter.structure(keys, config_of(kind)))
    except UsageFault as unknown:
        raise _Faulty([f'{at}.type: {unknown.what}: "{kind}"; {unknown.do}']) from None
    except (WrongValue, cattrs.ClassValidationError) as error:
        raise _Faulty(_explained(error, at)) from None


def _explained(error: Exception, at: str) -> Sequence[str]:
    try:
        return explain(error, at=at)
    except ValueError as refused:  # by a validator of the type's class
        return [f"{at}: {refused}"]


def _kind(at: str, table: Mapping[str, Any]) -> str:
    if "type" not in table:
        if "uri" in table:
            return _WITH_ADDRESS
        raise _Faulty([f'{at}: the key "type" is missing'])
    try:
        return _converter.structure(table["type"], str)
    except WrongValue as wrong:
        raise _Faulty([f"{at}.type: {wrong}"]) from None
