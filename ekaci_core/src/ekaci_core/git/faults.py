"""From what git says to what a person should read."""

from __future__ import annotations

import re
import shlex
from typing import Final

from ekaci_core.model.errors import EkaciError, InfrastructureFault, UsageFault

_OWNER: Final = re.compile(r"detected dubious ownership in repository at '(.*)'")
_MACHINE: Final = (
    ("No space left on device", "the disk is full", "free some space and run again"),
    ("Disk quota exceeded", "the disk quota is used up", "free some space and run again"),
    ("Cannot allocate memory", "git ran out of memory", "free some memory and run again"),
    ("out of memory", "git ran out of memory", "free some memory and run again"),
    ("Too many open files", "git ran out of file descriptors", "raise the limit (`ulimit -n`) and run again"),
    ("Read-only file system", "the file system is read-only", "mount it writable and run again"),
    ("Permission denied", "git may not read or write there", "check who owns the repository and run again"),
)


def fault_of(action: str, stderr: str, where: str) -> EkaciError:
    """Describe why git refused.

    Args:
        action: the git command's name, for faults that have no better description.
        stderr: what git wrote.
        where: the repository.
    """
    if owner := _OWNER.search(stderr):
        return UsageFault(
            "the repository belongs to another user, and git does not trust it",
            where=owner[1],
            do=f"run as its owner, or: git config --global --add safe.directory {shlex.quote(owner[1])}",
        )
    if "not a git repository" in stderr:
        return UsageFault("not a git repository", where=where, do="name a directory inside one, or run `git init`")
    for sign, what, do in _MACHINE:
        if sign in stderr:
            return InfrastructureFault(f"{what} (git {action}: {last_words(stderr)})", where=where, do=do)
    return InfrastructureFault(
        f"git {action} failed: {last_words(stderr)}",
        where=where,
        do="check the repository with `git fsck`",
    )


def last_words(stderr: str) -> str:
    """Pick the line that says most: the first fatal or error line, else the last one."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for line in lines:
        word, colon, rest = line.partition(": ")
        if colon and word in ("fatal", "error"):
            return rest
    return lines[-1] if lines else "it gave no reason"
