from __future__ import annotations

import pytest

from ekaci_builder_ssh.faults import SILENT, detail_of, trouble_in
from ekaci_builder_ssh.known import KnownPaths
from ekaci_core.api import BuildInterrupted, BuildState, TransientKind

NO_CONNECTION = "error: cannot open connection to remote store 'ssh-ng://far': error: unexpected end-of-file"

LOST = ("builder lost", "the connection failed")
LIED = ("builder lost", "does not build for this platform")
FULL = ("disk", "no space left")
UNTRUSTED = (None, "trusted-users")
HOST_KEY = ("ssh", "host key is not the one")
NO_NIX = ("ssh", "Nix is not found there")

# What Nix says, what ssh says, and the kind and the reason that follow. 2.8, 2.18, 2.3x.
SAID = [
    (NO_CONNECTION, "ssh: connect to host far port 22: Connection refused", LOST),
    (NO_CONNECTION, "ssh: Could not resolve hostname far: Name or service not known", LOST),
    (NO_CONNECTION, "ssh: connect to host far port 22: Connection timed out", LOST),
    (NO_CONNECTION, "ssh: connect to host far port 22: No route to host", LOST),
    (NO_CONNECTION, "Timeout, server far not responding.", LOST),
    (NO_CONNECTION, "", LOST),
    (NO_CONNECTION, "Host key verification failed.", HOST_KEY),
    (NO_CONNECTION, "No ED25519 host key is known for far and you have requested strict checking.", HOST_KEY),
    (NO_CONNECTION, "builder@far: Permission denied (publickey).", ("ssh", "does not accept the key")),
    (NO_CONNECTION, "bash: line 1: nix-daemon: command not found", NO_NIX),
    (NO_CONNECTION, "sh: 1: nix-store: not found", NO_NIX),
    ("error: failed to start SSH connection to 'far'", "", LOST),
    ("cannot build on 'ssh://far': error: cannot connect to 'far'\nerror: unable to start any build", "", LOST),
    ("unexpected end-of-file", "", LOST),
    ("Nix daemon disconnected unexpectedly (maybe it crashed?)", "", LOST),
    ("a 'pdp11-unix' with features {kvm} is required to build 'x', but I am a 'y' with features {}", "", LIED),
    ("Reason: required system or feature not available\nRequired system: 'a' with features {b}", "", LIED),
    ("unable to start any build; remote machines may not have all required system features.", "", LIED),
    ("writing to file: No space left on device", "", FULL),
    ("note: build failure may have been caused by lack of free disk space", "", FULL),
    ("cannot add path 'x' because it lacks a signature by a trusted key", "", UNTRUSTED),
    ("cannot add path 'x' because it lacks a valid signature", "", UNTRUSTED),
    ("path 'x' is not valid", "", ("builder lost", "no longer has what was copied")),
]


@pytest.mark.parametrize(("said", "ssh", "meaning"), SAID)
def test_the_table(said: str, ssh: str, meaning: tuple[str | None, str]) -> None:
    trouble = trouble_in(said, ssh)
    assert trouble is not None
    kind, reason = meaning
    assert trouble.transient == (kind and TransientKind(kind))
    assert reason in trouble.reason
    assert trouble.lost == (meaning == LOST or kind == "ssh"), "what its circuit counts"


@pytest.mark.parametrize(
    "said",
    [
        "builder for '/nix/store/x-Connection refused.drv' failed with exit code 3",
        "build of 'x' on 'ssh://far' failed: builder for 'No space left on device' failed with exit code 1",
        "hash mismatch in fixed-output derivation 'x'",
        "builder for 'unexpected end-of-file' failed due to signal 11",
    ],
)
def test_a_failed_build_is_no_trouble_whatever_it_is_called(said: str) -> None:
    assert trouble_in(said, "ssh: connect to host far: Connection refused") is None


def test_an_interruption_names_the_machine_and_is_bounded() -> None:
    outcome = SILENT.interruption("ssh-ng://far", "x" * 1000)
    assert outcome.reason.startswith("ssh-ng://far: did not answer in time (xxx")
    assert len(outcome.reason) == 300
    assert outcome == BuildInterrupted(
        BuildState.PROCESS_DEATH, outcome.reason, infrastructure=True, transient=TransientKind.BUILDER_LOST
    )


def test_the_telling_line() -> None:
    printed = (
        "copying 3 paths...\nwarning: x\nssh: connect to host far port 22: Connection refused\nerror: unexpected end"
    )
    assert detail_of(printed) == "ssh: connect to host far port 22: Connection refused"
    assert detail_of("copying 1 paths...\nsomething\nerror: no good\n") == "no good"
    assert detail_of("something\n") == "something"
    assert detail_of("") == ""


def test_memory_of_paths_is_bounded_and_forgets_the_oldest() -> None:
    known = KnownPaths(most=3)
    known.add(["a", "b", "c"])
    known.add(["a", "d"])
    assert known.missing(["a", "b", "c", "d", "e"]) == ["b", "e"]
    assert known.count(["a", "b", "c", "d"]) == 3
    known.forget()
    assert known.count(["a", "d"]) == 0
