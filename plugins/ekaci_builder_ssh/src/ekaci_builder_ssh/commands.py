"""The commands that copy, build and ask, by the machine's protocol."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ekaci_builder_ssh.machine import Machine
from ekaci_core.api import DrvPath, StorePath

# A command line may have 2 MiB on Linux as a rule, and a path in the store is seldom longer than 120 bytes.
_PATHS_AT_ONCE: Final = 2000
_NOWHERE: Final = "/nix/store/00000000000000000000000000000000-probe"
_COPY: Final = ("nix", "--extra-experimental-features", "nix-command", "copy", "--no-check-sigs")


def copy_derivation(machine: Machine, drv: DrvPath) -> list[str]:
    """Copy a derivation there, with the derivations and sources that it needs."""
    return [*_COPY, "--to", machine.uri, "--derivation", drv]


def copy_there(machine: Machine, paths: Iterable[StorePath]) -> Iterator[list[str]]:
    """Copy store paths there, with all that they refer to."""
    return ([*_COPY, "--to", machine.uri, *some] for some in _several(list(paths)))


def copy_back(machine: Machine, paths: Iterable[StorePath]) -> Iterator[list[str]]:
    """Copy store paths from there into this machine's store, with all that they refer to."""
    return ([*_COPY, "--from", machine.uri, *some] for some in _several(list(paths)))


def register(drv: DrvPath, gc_root: str) -> list[str]:
    """Register the valid outputs of a derivation as gc roots; builds nothing, here or elsewhere."""
    nothing = ["--option", "max-jobs", "0", "--option", "builders", "", "--option", "substituters", ""]
    return ["nix-store", "--realise", drv, "--add-root", gc_root, *nothing]


def ask(machine: Machine) -> list[str]:
    """Ask something that costs nothing, to see whether the machine's Nix answers."""
    return ["nix-store", "--check-validity", "--print-invalid", _NOWHERE, "--store", machine.uri]


def builds_there(machine: Machine) -> list[str]:
    """Further arguments of ``nix-store --realise`` which build in the machine's own store (``ssh-ng://``)."""
    return ["--store", machine.uri]


def builds_by_hook(machine: Machine, systems: Iterable[str]) -> list[str]:
    """Further arguments of ``nix-store --realise`` which have Nix's build hook build there (``ssh://``), never here."""
    key = machine.host_key and base64.b64encode(machine.host_key.encode()).decode()
    # Mandatory features are the scheduler's concern: to Nix they are features like others.
    features = sorted({*machine.supported_features, *machine.mandatory_features})
    fields = [
        machine.uri,
        ",".join(sorted(systems)),
        _single_word(machine.ssh_key),
        str(max(1, machine.max_jobs)),
        "1",
        ",".join(features),
        None,
        key,
    ]
    line = " ".join(field or "-" for field in fields)
    return ["--option", "builders", line, "--option", "max-jobs", "0"]


def _single_word(path: str | None) -> str | None:
    # Nix's line has no way to write others; our own ssh is given the key in any case.
    return path if path and not re.search(r"[\s;#]", path) else None


def _several(paths: Sequence[StorePath]) -> Iterator[Sequence[StorePath]]:
    return (paths[at : at + _PATHS_AT_ONCE] for at in range(0, len(paths), _PATHS_AT_ONCE))
