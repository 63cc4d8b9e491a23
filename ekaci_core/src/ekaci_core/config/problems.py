"""What is wrong with a configuration that comes from several places: a file, variables, the command line."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import attrs

from ekaci_core.config.faults import ConfigurationFault


class OriginKind(enum.Enum):
    """Where a value can come from."""

    FILE = "file"
    VARIABLE = "variable"
    FLAG = "flag"
    DEFAULT = "default"


@attrs.frozen
class Origin:
    """Where a value comes from. ``name`` is the file with its line, the variable or the flag; empty for defaults."""

    kind: OriginKind
    name: str = ""

    def __str__(self) -> str:
        """Say it in one word."""
        return self.name or self.kind.value


@attrs.frozen
class Problem:
    """One fault.

    Attributes:
        at: the address of the value, ``caches[0].id``; empty for the whole.
        what: what is wrong with it, and what may have been meant.
        place: where it was given, ``/etc/ekaci.toml:12`` or ``EKA_CI_WEB__PORT``; empty where it was not.
    """

    at: str
    what: str
    place: str = ""

    def __str__(self) -> str:
        """Write place, address and fault in one line."""
        return ": ".join(part for part in (self.place, self.at, self.what) if part)


class ConfigurationProblems(ConfigurationFault):
    """A configuration that cannot be used. ``problems`` are all that were found."""

    def __init__(self, origin: str, problems: Sequence[Problem], *, do: str) -> None:
        """Describe the faults; ``origin`` is the file, named where a fault has no place of its own."""
        if len(problems) == 1 and problems[0].place:
            super().__init__(problems[0].place, [str(attrs.evolve(problems[0], place=""))], do=do)
        else:
            super().__init__(origin, [str(problem) for problem in problems], do=do)
        self.problems = tuple(problems)


@attrs.define
class Places:
    """Finds where the value at an address was given.

    Attributes:
        file: the path of the file.
        lines: the line of each address in it.
        moved: for what was taken from elsewhere in the file, the address that it has there.
        overlaid: what variables and flags gave.
    """

    file: str
    lines: Mapping[str, int] = attrs.field(factory=dict)
    moved: Mapping[str, str] = attrs.field(factory=dict)
    overlaid: dict[str, Origin] = attrs.field(factory=dict)

    def origin(self, at: str) -> Origin | None:
        """Return the origin of the value itself, None where nobody gave it."""
        if at in self.overlaid:
            return self.overlaid[at]
        line = self.lines.get(self.moved.get(at, at))
        return None if line is None else Origin(OriginKind.FILE, f"{self.file}:{line}")

    def nearest(self, at: str) -> str:
        """Say where the value was given, or else what it stands in; empty where neither was."""
        where = at
        while where:
            if (found := self.origin(where)) is not None:
                return str(found)
            where = parent(where)
        return ""

    def line(self, problem: Problem) -> int:
        """Say on which line of the file a problem is; 0 where it is not in the file."""
        prefix = f"{self.file}:"
        return int(problem.place.removeprefix(prefix)) if problem.place.startswith(prefix) else 0


def parent(at: str) -> str:
    """Return the address of what holds the value: ``caches[0]`` for ``caches[0].id``."""
    quoted = False
    for index in range(len(at) - 1, 0, -1):
        if at[index] == '"' and at[index - 1] != "\\":
            quoted = not quoted
        elif not quoted and at[index] in ".[":
            return at[:index]
    return ""
