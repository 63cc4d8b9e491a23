"""Which Nix this is, and whether it can work here."""

from __future__ import annotations

import enum
import grp
import os
import re
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, Self

import attrs

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import STORE_DIR
from ekaci_core.nix.settings import NixSettings, parse_settings
from ekaci_core.process import Completed, ProgramMissing, run, together

OLDEST: Final = (2, 8)
"""The oldest Nix that is tested."""

_VERSION: Final = re.compile(
    r"nix\S* \((?P<name>[^)]*)\) (?P<text>(?P<major>\d+)\.(?P<minor>\d+)(?:\.(?P<patch>\d+))?\S*)"
)
_NOWHERE: Final = "0" * 32 + "-probe"
_PROBE_SECONDS: Final = 30


class Flavour(enum.Enum):
    """Who made it. Their numbers are comparable up to 2.18, where Lix began."""

    NIX = "Nix"
    LIX = "Lix"
    DETERMINATE = "Determinate Nix"


@attrs.frozen
class NixVersion:
    """A version as ``nix --version`` says it; ``text`` is all of it, with pre-release marks."""

    flavour: Flavour
    major: int
    minor: int
    patch: int
    text: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read for example ``nix (Nix) 2.8.0``, ``nix (Lix, like Nix) 2.93.0``, ``nix (Determinate Nix 3.5.2) 2.28.3``.

        Raises:
            InfrastructureFault: it is no version of Nix.
        """
        match = _VERSION.search(line)
        if match is None:
            raise InfrastructureFault(
                f"not a version of Nix: {line.strip()[:120]!r}",
                where="nix --version",
                do="make sure that the `nix` on PATH is Nix, Lix or Determinate Nix",
            )
        name = match["name"]
        flavour = Flavour.NIX
        if name.startswith("Lix"):
            flavour = Flavour.LIX
        elif name.startswith("Determinate"):
            flavour = Flavour.DETERMINATE
        return cls(flavour, int(match["major"]), int(match["minor"]), int(match["patch"] or 0), match["text"])

    def __str__(self) -> str:
        return f"{self.flavour.value} {self.text}"

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor, for comparisons."""
        return self.major, self.minor

    @property
    def shows_config_by_config_show(self) -> bool:
        """Whether settings come from ``nix config show``; before it was ``nix show-config``."""
        return self.number >= (2, 20)


class Access(enum.Enum):
    """How the programs reach the store."""

    DIRECT = "direct"
    DAEMON = "daemon"


_versions: Final[dict[tuple[str, int, int, int], NixVersion]] = {}


@attrs.frozen
class Nix:
    """A Nix that works here. ``program`` is the absolute path of ``nix``, the other programs stand on PATH with it."""

    program: Path
    version: NixVersion
    access: Access
    settings: NixSettings


async def probe(environment: Mapping[str, str]) -> Nix:
    """Find Nix and make sure that it is new enough, can be asked, reaches its store and may build.

    Args:
        environment: that of all later calls, from `nix_environment`.

    Raises:
        InfrastructureFault: one of these is not so; the message says which and what to do.
    """
    path = environment.get("PATH", os.defpath)
    program = shutil.which("nix", path=path)
    if program is None:
        raise nix_missing()
    if shutil.which("nix-store", path=path) is None:
        raise nix_missing("nix-store")
    try:
        version, settings = await _asked(environment)
    except ProgramMissing as missing:
        raise nix_missing(missing.program) from None
    access = store_access(settings.store, state_is_writable=os.access(_state_directory(environment), os.R_OK | os.W_OK))
    if access is Access.DIRECT and os.geteuid() == 0:
        check_build_users(settings, _members(settings.build_users_group))
    return Nix(Path(program), version, access, settings)


async def _asked(environment: Mapping[str, str]) -> tuple[NixVersion, NixSettings]:
    if is_opened_directly(environment):
        version = await version_of(environment)
    else:
        version, _ = await together(partial(version_of, environment), partial(reach_store, environment))
    _check_age(version)
    return version, await _settings(version, environment)


async def daemon_settings(nix: Nix, environment: Mapping[str, str]) -> NixSettings:
    """Read the settings that the machine's daemon has: those of its files, without what this person configured.

    Raises:
        InfrastructureFault: Nix does not say.
    """
    without = dict(environment) | {
        "NIX_CONFIG": "extra-experimental-features = nix-command flakes",
        "NIX_USER_CONF_FILES": "",
    }
    return await _settings(nix.version, without)


async def version_of(environment: Mapping[str, str]) -> NixVersion:
    """Ask the ``nix`` on PATH for its version; one that was asked before is asked again once its file is another.

    Raises:
        ProgramMissing: there is no ``nix``.
        InfrastructureFault: it does not say what it is.
    """
    program = shutil.which("nix", path=environment.get("PATH", os.defpath))
    if program is None:
        raise ProgramMissing("nix")
    file = os.stat(program)  # noqa: PTH116 - `which` has just looked at it
    key = (program, file.st_dev, file.st_ino, file.st_mtime_ns)
    if key not in _versions:
        _versions[key] = NixVersion.parse((await _ask(["nix", "--version"], environment)).text)
    return _versions[key]


def is_opened_directly(environment: Mapping[str, str]) -> bool:
    """Whether the store is there, and we open it ourselves: then nothing has to be made or reached first."""
    database = Path(_state_directory(environment), "db", "db.sqlite")
    return environment.get("NIX_REMOTE", "") in ("", "auto") and os.access(database, os.R_OK | os.W_OK)


async def reach_store(environment: Mapping[str, str]) -> None:
    """Open the Nix store, which makes one that does not exist yet.

    Raises:
        ProgramMissing: there is no ``nix-store``.
        InfrastructureFault: the store cannot be opened; the message says why and what to do.
    """
    folder = environment.get("NIX_STORE_DIR") or STORE_DIR
    argv = ["nix-store", "--check-validity", "--print-invalid", f"{folder}/{_NOWHERE}"]
    opened = await run(argv, env=environment, timeout_seconds=_PROBE_SECONDS)
    if opened.status != 0:
        raise store_unreachable(opened.stderr)


def nix_missing(program: str = "nix") -> InfrastructureFault:
    """Describe that there is no Nix."""
    return InfrastructureFault(
        f"Nix is not installed: the program {program!r} was not found",
        where="PATH",
        do="install Nix (on Debian and Ubuntu: `apt install nix-bin`), or add it to PATH",
    )


def store_unreachable(stderr: str) -> InfrastructureFault:
    """Describe why Nix cannot open its store, from what it said."""
    errors = [line.removeprefix("error:").strip() for line in stderr.splitlines() if line.startswith("error:")]
    said = (errors or [stderr.strip()[-400:] or "it said nothing"])[0]
    if "socket" in said or "daemon" in said:
        what = "the Nix daemon cannot be reached"
        do = "start it (`systemctl start nix-daemon`), and be a member of the group that may use it (Debian: nix-users)"
    elif "ermission denied" in said or "ead-only" in said:
        what = "the Nix store cannot be written"
        do = "start the Nix daemon, or run as the user who owns /nix"
    else:
        what = "the Nix store cannot be opened"
        do = "run `nix-store --verify` and see what it says"
    return InfrastructureFault(f"{what}: {said}", where="nix-store", do=do)


def store_access(store: str, *, state_is_writable: bool) -> Access:
    """Tell by Nix's own rule how a store's address, ``NIX_REMOTE`` or ``store``, is reached."""
    if store in ("", "auto"):
        return Access.DIRECT if state_is_writable else Access.DAEMON
    return Access.DAEMON if store == "daemon" or store.startswith(("unix:", "ssh:", "ssh-ng:")) else Access.DIRECT


def check_build_users(settings: NixSettings, members: tuple[str, ...] | None) -> None:
    """Make sure that root's builds have users to run as, where the settings want such.

    Args:
        settings: Nix's own.
        members: those of the group of build users, None where there is no such group.

    Raises:
        InfrastructureFault: they have not.
    """
    group = settings.build_users_group
    if not group or settings.auto_allocate_uids or members:
        return
    raise InfrastructureFault(
        f"the group {group!r} of Nix's build users " + ("has no members" if members is not None else "does not exist"),
        where="build-users-group",
        do="create it, or let root build as itself: export NIX_CONFIG='build-users-group ='",
    )


def _check_age(version: NixVersion) -> None:
    if version.number < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise InfrastructureFault(f"{version} is too old", where="nix --version", do=f"install Nix {oldest} or newer")


async def _settings(version: NixVersion, environment: Mapping[str, str]) -> NixSettings:
    commands = [["nix", "config", "show", "--json"], ["nix", "show-config", "--json"]]
    if not version.shows_config_by_config_show:
        commands.reverse()
    # The other name is tried as well, since Lix and distributions moved it at versions of their own.
    first = await run(commands[0], env=environment, timeout_seconds=_PROBE_SECONDS)
    if first.status == 0:
        return parse_settings(first.stdout)
    second = await run(commands[1], env=environment, timeout_seconds=_PROBE_SECONDS)
    if second.status == 0:
        return parse_settings(second.stdout)
    raise _failed(commands[0], first)


async def _ask(argv: list[str], environment: Mapping[str, str]) -> Completed:
    done = await run(argv, env=environment, timeout_seconds=_PROBE_SECONDS)
    if done.status != 0:
        raise _failed(argv, done)
    return done


def _failed(argv: list[str], done: Completed) -> InfrastructureFault:
    said = done.stderr.strip().splitlines()
    return InfrastructureFault(
        f"Nix does not work: {said[0][:400] if said else f'exit status {done.status}'}",
        where=" ".join(argv),
        do="run that command and see what it says; a line in nix.conf may be wrong",
    )


def _state_directory(environment: Mapping[str, str]) -> str:
    return environment.get("NIX_STATE_DIR", "/nix/var/nix")


def _members(group: str) -> tuple[str, ...] | None:
    try:
        return tuple(grp.getgrnam(group).gr_mem)
    except KeyError:
        return None
