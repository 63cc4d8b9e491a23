"""The machine's configuration file, as TOML says it. Each table is the affair of a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.placed import Placed
from ekaci_core.model.errors import UsageFault

if TYPE_CHECKING:
    from ekaci_core.config.problems import Places

VARIABLE: Final = "EKA_CI_CONFIG_FILE"


@attrs.frozen
class MachineFile:
    """What stands in it.

    Attributes:
        origin: its path, for messages; where nothing says a place, what would.
        contents: all of it, every key in its place; empty where there is no file.
        text: as it is written.
        placed: what was put in its place.
        is_there: whether there is a file.
    """

    origin: str
    contents: Mapping[str, Any] = attrs.field(factory=dict, repr=False)  # there may be secrets in it
    text: str = attrs.field(default="", repr=False)
    placed: Placed = attrs.field(factory=lambda: Placed({}), repr=False)
    is_there: bool = False

    @property
    def places(self) -> Places:
        """Where its values stand."""
        from ekaci_core.config.positions import key_lines  # noqa: PLC0415 - as below
        from ekaci_core.config.problems import Places  # noqa: PLC0415 - as below

        return Places(self.origin, key_lines(self.text), self.placed.moved)


def read_machine_file(environment: Mapping[str, str], named: Path | None = None) -> MachineFile:
    """Read what is ``named``, or ``EKA_CI_CONFIG_FILE`` names, otherwise ``$XDG_CONFIG_HOME/ekaci/ekaci.toml``.

    Raises:
        UsageFault: the file cannot be read, or is no TOML (`ConfigurationFault`).
    """
    variable = environment.get(VARIABLE)
    path = named or (Path(variable) if variable else _usual_place(environment))
    if path is None:
        return MachineFile(VARIABLE)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        if named or variable:
            do = "name a file that is there" if named else f"correct {VARIABLE}"
            raise UsageFault("there is no such file", where=str(path), do=do) from None
        return MachineFile(str(path))
    except OSError as error:
        raise UsageFault(f"cannot be read: {error.strerror}", where=str(path), do="mend its permissions") from None
    except UnicodeDecodeError as error:
        raise ConfigurationFault(str(path), [f"it is no TOML: {error}"], do="save it as UTF-8") from None
    return parse_machine_file(text, str(path))


def parse_machine_file(text: str, origin: str) -> MachineFile:
    """Parse the text of the file; TOML 1.1, so that inline tables may have several lines.

    Raises:
        ConfigurationFault: it is no TOML.
    """
    # Most machines have no such file, and do not pay for reading one.
    import tomli  # noqa: PLC0415

    from ekaci_core.config.misplaced import put_in_place  # noqa: PLC0415

    try:
        contents = tomli.loads(text.replace("\r\n", "\n"))
    except tomli.TOMLDecodeError as error:
        raise ConfigurationFault(origin, [f"it is no TOML: {error}"], do=_advice(error.doc[error.pos :])) from None
    placed = put_in_place(contents)
    return MachineFile(origin, placed.contents, text, placed, is_there=True)


def _advice(rest: str) -> str:
    if rest.startswith(("//", "/*")):
        return "write what belongs there: comments of TOML begin with #"
    return "mend it"


def _usual_place(environment: Mapping[str, str]) -> Path | None:
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):  # the specification: a relative path is invalid and to be ignored
        home = environment.get("HOME", "")
        folder = f"{home}/.config" if home else ""
    return Path(folder, "ekaci/ekaci.toml") if folder else None
