"""Post-build hooks: commands that run after a successful build, and what becomes of each run."""

from __future__ import annotations

import enum
import re
from typing import Final

LONGEST_HOOK_NAME: Final = 64

HOOK_VARIABLES: Final = (
    "DRV_PATH",
    "OUT_PATHS",
    "EKA_JOB_NAME",
    "EKA_IS_FOD",
    "EKA_SYSTEM",
    "EKA_PNAME",
    "EKA_BUILD_LOG_PATH",
    "EKA_COMMIT_SHA",
    "EKA_REPO",
    "EKA_BRANCH",
)
"""What every hook is told of the build."""

HOME_VARIABLES: Final = ("PATH", "HOME", "TMPDIR")
"""What every hook has besides, of the place where it runs."""

HOOK_NAME_WORDS: Final = (
    f'a name of 1 to {LONGEST_HOOK_NAME} letters, digits, ".", "_" and "-" that begins with a letter or digit'
)

_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_HOOK_NAME - 1}}}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


def is_hook_name(text: str) -> bool:
    """Whether a hook can be called so: its log has the name of a file of it."""
    return _NAME.fullmatch(text) is not None


def is_hook_variable(text: str) -> bool:
    """Whether a hook can set this variable: a word that is none of those that it is told."""
    return _VARIABLE.fullmatch(text) is not None and text not in (*HOOK_VARIABLES, *HOME_VARIABLES)


class HookOrigin(enum.Enum):
    """Who wrote a hook."""

    SERVER = "server"
    REPOSITORY = "repository"
    """The base revision's configuration file. Such a hook always runs in a sandbox."""


class HookState(enum.Enum):
    """What became of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"
    """The server ended while it ran; it runs again."""
    ABANDONED = "abandoned"
    """The server was killed while it ran, twice; it does not run again."""
    REFUSED = "refused"
    """It was not run at all, for a reason that is written beside."""

    @property
    def is_pending(self) -> bool:
        """Whether it is still to be run."""
        return self in (HookState.QUEUED, HookState.INTERRUPTED)
