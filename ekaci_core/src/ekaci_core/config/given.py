"""What variables and options say, laid over what the file says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ekaci_core.config.convert import WrongValue
from ekaci_core.config.problems import Origin, OriginKind, Places, Problem
from ekaci_core.config.schema import settings


@attrs.frozen
class Given:
    """A value from elsewhere than the file: for the key, as text, and where it comes from."""

    key: str
    text: str = attrs.field(repr=False)  # it may be a secret
    origin: Origin


def flag(key: str, name: str, text: str) -> Given:
    """Make what an option of the command line says."""
    return Given(key, text, Origin(OriginKind.FLAG, name))


def variable(key: str, name: str, text: str) -> Given:
    """Make what an environment variable says."""
    return Given(key, text, Origin(OriginKind.VARIABLE, name))


def overlay(
    contents: Mapping[str, Any], given: Iterable[Given], places: Places
) -> tuple[dict[str, Any], list[Problem], list[Problem]]:
    """Lay values over the contents of a file; of one key the last counts.

    Returns:
        the contents, faults, and warnings of variables that contradict each other.
    """
    result = {name: dict(value) if isinstance(value, dict) else value for name, value in contents.items()}
    faults: list[Problem] = []
    warnings: list[Problem] = []
    before: dict[str, Given] = {}
    for each in given:
        earlier = before.get(each.key)
        if earlier is not None and earlier.text != each.text and each.origin.kind is earlier.origin.kind:
            warnings.append(Problem(each.key, f"{each.origin} wins over {earlier.origin}", str(earlier.origin)))
        before[each.key] = each
    for each in before.values():
        places.overlaid[each.key] = each.origin
        try:
            _put(result, each.key, settings()[each.key].read(each.text))
        except WrongValue as wrong:
            faults.append(Problem(each.key, str(wrong), str(each.origin)))
    return result, faults, warnings


def _put(contents: dict[str, Any], key: str, value: Any) -> None:
    table, _, name = key.rpartition(".")
    target = contents.setdefault(table, {}) if table else contents
    if isinstance(target, dict):  # else the file has no table there, which is a fault of its own
        target[name] = value
