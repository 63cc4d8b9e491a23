"""How git is started, so that neither the surroundings nor the contents of a repository decide what runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_KEPT: Final = frozenset({"GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CEILING_DIRECTORIES"})

SETTINGS: Final[tuple[tuple[str, str], ...]] = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.quotePath", "false"),
    ("core.splitIndex", "false"),
    ("core.pager", "cat"),
    ("submodule.recurse", "false"),
    ("protocol.file.allow", "never"),
    ("protocol.ext.allow", "never"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("advice.detachedHead", "false"),
)
"""Settings that hold for every call, whatever the machine, the user and the repository say."""

CHECKOUT_SETTINGS: Final[tuple[tuple[str, str], ...]] = (
    ("core.autocrlf", "false"),
    ("core.eol", "lf"),
    ("checkout.workers", "0"),  # as many as there are cores; small checkouts stay with one
    ("core.sparseCheckout", "false"),
    # Large files stay pointers: fetching them needs a network, and both sides are treated alike.
    ("filter.lfs.smudge", ""),
    ("filter.lfs.process", ""),
    ("filter.lfs.required", "false"),
)
"""Settings that make a checkout the same on every machine."""


def git_environment(surroundings: Mapping[str, str]) -> dict[str, str]:
    """Make the environment for git from that of this process.

    Variables that would point git at another repository, index or program go: a review started by a hook finds such.
    Where configuration files lie is kept, because ``safe.directory`` counts only in those.
    """
    kept = {
        name: value
        for name, value in surroundings.items()
        if name in _KEPT or not name.startswith(("GIT_", "SSH_ASKPASS"))
    }
    return kept | {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }


def as_options(settings: tuple[tuple[str, str], ...]) -> list[str]:
    """Write settings as ``-c`` options."""
    return [word for name, value in settings for word in ("-c", f"{name}={value}")]
