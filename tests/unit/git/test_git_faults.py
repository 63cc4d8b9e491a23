"""What git says, and what people read."""

from __future__ import annotations

import pytest

from ekaci_core.git.faults import fault_of, last_words
from ekaci_core.model.errors import EkaciError, InfrastructureFault, UsageFault

OWNER = """fatal: detected dubious ownership in repository at '/srv/a b'
To add an exception for this directory, call:

\tgit config --global --add safe.directory '/srv/a b'
"""


@pytest.mark.parametrize(
    ("stderr", "kind", "what", "do"),
    [
        (OWNER, UsageFault, "another user", "safe.directory '/srv/a b'"),
        ("fatal: not a git repository (or any of the parent directories): .git\n", UsageFault, "not a git", "git init"),
        ("error: unable to write file x: No space left on device\n", InfrastructureFault, "disk is full", "free"),
        ("fatal: cannot create directory: Permission denied", InfrastructureFault, "may not", "owns"),
        ("fatal: unable to create thread: Cannot allocate memory", InfrastructureFault, "memory", "free"),
        ("error: object file is empty\nfatal: loose object is corrupt", InfrastructureFault, "object file", "git fsck"),
        ("", InfrastructureFault, "no reason", "git fsck"),
    ],
)
def test_faults(stderr: str, kind: type[EkaciError], what: str, do: str) -> None:
    fault = fault_of("status", stderr, "/repository")
    assert type(fault) is kind
    assert what in fault.what
    assert "\n" not in fault.what
    assert do in str(fault.do)
    assert fault.where


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("warning: x\nfatal: y: z\nhint: w\n", "y: z"),
        ("one\n\ntwo\n\n", "two"),
        ("  \n", "it gave no reason"),
    ],
)
def test_the_line_that_says_most(stderr: str, words: str) -> None:
    assert last_words(stderr) == words
