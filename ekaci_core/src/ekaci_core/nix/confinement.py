"""Evaluating what somebody wrote who is not trusted: it reads its own tree, builds nothing, and sees no secret."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

# Whole schemes that have no access to this machine; plain http would reach the metadata service of a cloud.
_FETCHED: Final = ("https://", "git+https://", "tarball+https://", "github:", "gitlab:", "sourcehut:")
_REFUSED: Final = ("restricted mode", "allow-import-from-derivation")
_READ_AS_FLAKES: Final = ("path:", "git+file://")


def reachable_entries(folders: Iterable[Path]) -> tuple[str, ...]:
    """Return entries of ``NIX_PATH`` that let a confined evaluation read these folders and files, links resolved."""
    paths = dict.fromkeys(each for folder in folders for each in (str(folder), os.path.realpath(folder)))
    return tuple(f"ekaci-reachable-{number}={path}" for number, path in enumerate(paths))


def is_refusal(message: str) -> bool:
    """Whether Nix says, in the words of all its versions, that a confined evaluation needs more than it may."""
    return any(words in message for words in _REFUSED)


def confined(
    environment: Mapping[str, str], folders: Iterable[Path], *, flake: Path | None = None, builds: bool = False
) -> dict[str, str]:
    """Return the environment of an evaluation that is kept from this machine.

    It reads these folders, what ``NIX_PATH`` names and what it fetches over https; environment variables are empty,
    and nothing is built unless ``builds`` allows it: https://nix.dev/manual/nix/stable/command-ref/conf-file#conf-restrict-eval

    Args:
        environment: of an evaluation that may do everything; its ``NIX_PATH`` counts.
        folders: what may be read.
        flake: a folder that may be evaluated as a flake.
        builds: whether what it imports may be built, as far as Nix's own settings let it.
    """
    entries = [*filter(None, [environment.get("NIX_PATH", "")]), *reachable_entries(folders)]
    own = [] if flake is None else [f"{scheme}{quote(str(flake))}" for scheme in _READ_AS_FLAKES]
    lines = [
        environment.get("NIX_CONFIG", ""),
        "restrict-eval = true",
        *([] if builds else ["allow-import-from-derivation = false"]),
        "allow-unsafe-native-code-during-evaluation = false",
        f"allowed-uris = {' '.join([*_FETCHED, *own])}",
    ]
    return {**environment, "NIX_PATH": ":".join(entries), "NIX_CONFIG": "\n".join(filter(None, lines))}
