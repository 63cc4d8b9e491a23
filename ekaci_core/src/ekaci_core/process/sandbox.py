"""What bubblewrap is told, so that a command sees little of this machine (https://github.com/containers/bubblewrap)."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Final

import attrs

BUBBLEWRAP: Final = "bwrap"
USER: Final = 1000
"""Number of the user that a command sees itself as. It is not root: Nix would try to remount the store."""

# Programs, and what they read before they do anything. Private keys below /etc/ssl stay outside.
_SYSTEM: Final = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/run/current-system",
    "/nix/var/nix/profiles",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/static",
)
_PROGRAMS: Final = ("/usr", "/bin", "/sbin", "/nix/store", "/nix/var/nix/profiles", "/run/current-system")
_USUAL_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_ISOLATION: Final = (
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--uid",
    str(USER),
    "--gid",
    str(USER),
    "--hostname",
    "sandbox",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--clearenv",
)


@attrs.frozen(kw_only=True)
class Sandbox:
    """What a command may see.

    Attributes:
        environment: all of its variables.
        directory: where it begins.
        network: whether it is in the machine's network, loopback included; else it has none.
        read_only: files and folders by the place where it sees them, with the place where they are.
        writable: likewise.
    """

    environment: Mapping[str, str] = attrs.field(repr=lambda variables: f"<{len(variables)} variables>")
    directory: str
    network: bool
    read_only: Mapping[str, str] = attrs.field(factory=dict)
    writable: Mapping[str, str] = attrs.field(factory=dict)


def sandbox_options(sandbox: Sandbox) -> tuple[str, ...]:
    """Return bubblewrap's options. They hold the values of variables, so they belong into no command line."""
    options = [*_ISOLATION, *(() if sandbox.network else ("--unshare-net",))]
    options += ["--ro-bind", "/nix/store", "/nix/store", "--proc", "/proc", "--dev", "/dev"]
    for place in _SYSTEM:
        options += ["--ro-bind-try", place, place]
    for option, places in (("--bind", sandbox.writable), ("--ro-bind", sandbox.read_only)):
        # Outer folders first: what is bound later hides what was bound below the same place before.
        for place in sorted(places):
            options += [option, places[place], place]
    for name, value in sandbox.environment.items():
        options += ["--setenv", name, value]
    return (*options, "--remount-ro", "/", "--chdir", sandbox.directory)


def sandbox_command(command: Sequence[str], descriptor: int) -> tuple[str, ...]:
    """Return the command line that runs a command with the options that stand in an open file."""
    return (BUBBLEWRAP, "--args", str(descriptor), "--", *command)


def sandbox_path(path: str) -> str:
    """Keep the parts of a PATH that are there in a sandbox."""
    kept = [each for each in path.split(":") if _is_inside(each, _PROGRAMS)]
    return ":".join(kept) or _USUAL_PATH


@contextmanager
def handed_over(options: Sequence[str]) -> Iterator[int]:
    """Put options into a file in memory that children can inherit; yields its descriptor."""
    descriptor = os.memfd_create("options", 0)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(b"".join(os.fsencode(each) + b"\0" for each in options))
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_inside(place: str, folders: Iterable[str]) -> bool:
    return any(PurePosixPath(posixpath.normpath(place)).is_relative_to(folder) for folder in folders)
