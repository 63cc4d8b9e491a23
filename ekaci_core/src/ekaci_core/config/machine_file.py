"""The machine's configuration file, as TOML says it. Each table is the affair of a module of its own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.model.errors import UsageFault

_VARIABLE: Final = "EKA_CI_CONFIG_FILE"


@attrs.frozen
class MachineFile:
    """What stands in it.

    Attributes:
        origin: its path, for messages; where nothing says a place, what would.
        contents: all of it, empty where there is no file.
    """

    origin: str
    contents: Mapping[str, Any] = attrs.field(factory=dict)


def read_machine_file(environment: Mapping[str, str]) -> MachineFile:
    """Read what ``EKA_CI_CONFIG_FILE`` names, otherwise ``$XDG_CONFIG_HOME/ekaci/ekaci.toml``.

    Raises:
        UsageFault: the file cannot be read, or is no TOML (`ConfigurationFault`).
    """
    named = environment.get(_VARIABLE)
    path = Path(named) if named else _usual_place(environment)
    if path is None:
        return MachineFile(_VARIABLE)
    try:
        with path.open("rb") as file:
            return MachineFile(str(path), tomllib.load(file))
    except (FileNotFoundError, NotADirectoryError):
        if named:
            raise UsageFault("there is no such file", where=str(path), do=f"correct {_VARIABLE}") from None
        return MachineFile(str(path))
    except OSError as error:
        raise UsageFault(f"cannot be read: {error.strerror}", where=str(path), do="mend its permissions") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(str(path), [f"it is no TOML: {error}"], do="mend it") from None


def _usual_place(environment: Mapping[str, str]) -> Path | None:
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):  # the specification: a relative path is invalid and to be ignored
        home = environment.get("HOME", "")
        folder = f"{home}/.config" if home else ""
    return Path(folder, "ekaci/ekaci.toml") if folder else None
