"""Nix's ``builders``, in `/etc/nix/machines` or nix.conf, as machines. Pure: files come from outside.

The format: https://nix.dev/manual/nix/latest/command-ref/conf-file#conf-builders
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ekaci_builder_ssh.machine import (
    BadValue,
    Machine,
    checked_jobs,
    checked_speed,
    checked_uri,
    decoded_host_key,
)
from ekaci_core.api import UsageFault

_FIELDS: Final = 8
_MOST_NESTED: Final = 16

Read = Callable[[Path], str | None]
"""Returns a file's text, None where there is no such file."""


class MachinesFault(UsageFault):
    """A line that describes no machine. ``where`` is file and line."""


def read_text(path: Path) -> str | None:
    """Read a file of machines.

    Raises:
        MachinesFault: it is there and cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise MachinesFault(f"cannot be read: {why}", where=str(path), do="make it readable for this user") from None


def parse_machines(text: str, *, where: str, read: Read = read_text) -> list[Machine]:
    """Read machines, one a line or between semicolons; ``#`` begins a comment, ``@file`` includes another file.

    As in Nix, a file that is included and is not there has no machines in it.

    Args:
        text: the value of ``builders``, or the contents of a file.
        where: names the text in errors.
        read: reads an included file.

    Raises:
        MachinesFault: an entry is malformed, with file and line and what to write; or files include each other.
    """
    return list(_machines(text, where, read, ()))


def _machines(text: str, where: str, read: Read, including: tuple[str, ...]) -> Iterator[Machine]:
    for number, line in enumerate(text.split("\n"), start=1):
        for entry in line.partition("#")[0].split(";"):
            fields = entry.split()
            if not fields:
                continue
            place = f"{where}:{number}"
            if fields[0].startswith("@"):
                yield from _included(entry.strip().removeprefix("@").strip(), place, read, including)
                continue
            try:
                yield _machine(fields)
            except BadValue as bad:
                raise MachinesFault(bad.what, where=place, do=bad.do) from None


def _included(name: str, place: str, read: Read, including: tuple[str, ...]) -> Iterator[Machine]:
    if not name.startswith("/"):
        raise MachinesFault(f"@{name} is not an absolute path", where=place, do="write @/etc/nix/machines")
    if name in including or len(including) >= _MOST_NESTED:
        raise MachinesFault(f"{name} includes itself", where=place, do="take one of the @ lines out")
    text = read(Path(name))
    if text is not None:
        yield from _machines(text, name, read, (*including, name))


def _machine(fields: list[str]) -> Machine:
    if len(fields) > _FIELDS:
        raise BadValue(
            f"has {len(fields)} fields, there are {_FIELDS} at most",
            "write lists with commas and without blanks: x86_64-linux,i686-linux",
        )
    given = [None if field == "-" else field for field in fields] + [None] * (_FIELDS - len(fields))
    uri, systems, key, jobs, speed, supported, mandatory, host_key = given
    if uri is None:
        raise BadValue("has no address", "begin the line with ssh-ng://user@host")
    return Machine(
        uri=checked_uri(uri),
        systems=_listed(systems),
        ssh_key=key,
        max_jobs=1 if jobs is None else checked_jobs(jobs),
        speed_factor=1.0 if speed is None else checked_speed(speed),
        supported_features=_listed(supported),
        mandatory_features=_listed(mandatory),
        host_key=None if host_key is None else decoded_host_key(host_key),
    )


def _listed(field: str | None) -> tuple[str, ...]:
    return tuple(each for each in (field or "").split(",") if each)
