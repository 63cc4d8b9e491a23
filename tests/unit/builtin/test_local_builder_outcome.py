from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildState, Built
from ekaci_core.builtin.local_builder.attempt import Attempt
from ekaci_core.builtin.local_builder.outcome import Evidence, classify
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.internal_json import ActivityKind, ActivityStarted, parse_line
from ekaci_core.process.lines import LineSplitter

RECORDINGS = Path(__file__).parents[2] / "data" / "internal_json"
VERSIONS = sorted(folder.name for folder in RECORDINGS.iterdir())
DRV = "/nix/store/p96bx1ln687qzcyqj4cbnkvaid8vc6nb-x.drv"

SPECIFIED = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
GOT = "sha256-mOpuTyFvL7S2n/+bOkSELDhobKaF8/VdxIxdP7EQe+Q="


def machine(reason: str) -> BuildInterrupted:
    return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True)


GONE = machine("the derivation or an input is no longer in the store: garbage was collected, evaluate again")

RECORDED: dict[str, BuildOutcome] = {
    "success": Built(),
    "failure": BuildFailed("builder failed with exit code 3", exit_status=3),
    "forged": BuildFailed("builder failed with exit code 1", exit_status=1),
    "no-such-builder": BuildFailed("builder failed with exit code 1", exit_status=1),
    "crashed": BuildFailed("builder was ended by signal 11 (SIGSEGV)"),
    "no-output": BuildFailed("builder did not produce the output 'out'"),
    "hash-mismatch": BuildFailed(f"hash mismatch: specified {SPECIFIED}, got {GOT}", final=True),
    "not-deterministic": BuildFailed("not deterministic: building it again gave other outputs", final=True),
    "killed": BuildInterrupted(BuildState.PROCESS_DEATH, "builder was killed (signal 9)"),
    "silent": BuildInterrupted(BuildState.TIMEOUT, "timed out after 1 seconds of silence"),
    "too-long": BuildInterrupted(BuildState.TIMEOUT, "timed out after 1 seconds"),
    "vanished": GONE,
    "dependency": machine("an input had gone from the store, and making it again failed"),
    "no-daemon": machine("the connection to the Nix daemon failed: check that nix-daemon runs"),
    "no-build-users": machine(
        "Nix has no users to build as: create the group of `build-users-group`, or set it to nothing"
    ),
    "other-system": machine(
        "this machine's Nix does not build for aarch64-linux with foo, kvm: see `system-features` and `extra-platforms`"
    ),
}


def replay(version: str, name: str) -> BuildOutcome:
    """Let a recording pass through everything between Nix's output and the outcome."""
    folder = RECORDINGS / version
    statuses = dict(line.split() for line in (folder / "statuses").read_text().splitlines())
    splitter = LineSplitter()
    lines = [*splitter.feed((folder / f"{name}.log").read_bytes()), *splitter.end()]
    records = [parse_line(line) for line in lines]
    built = [each for each in records if isinstance(each, ActivityStarted) and each.kind is ActivityKind.BUILD]
    attempt = Attempt(DrvPath.parse(built[-1].subject) if built else DrvPath(DRV))
    attempt.take(records)
    return classify(Evidence(status=int(statuses[name]), errors=attempt.errors, began=attempt.began))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_endings(version: str, name: str) -> None:
    assert replay(version, name) == RECORDED[name]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recording_has_an_ending(version: str) -> None:
    assert {path.stem for path in (RECORDINGS / version).glob("*.log")} == set(RECORDED)


OTHER_ERRORS = [
    ("writing to file: No space left on device", "no space left"),
    (
        (
            "builder for 'x.drv' failed with exit code 1\n"
            "note: build failure may have been caused by lack of free disk space"
        ),
        "no space left",
    ),
    ("error: executing SQLite statement: database or disk is full", "no space left"),
    ("unable to fork: Cannot allocate memory", "out of memory"),
    ("std::bad_alloc", "out of memory"),
    ("Nix daemon disconnected unexpectedly (maybe it crashed?)", "daemon"),
    ("reading from file: Connection reset by peer", "daemon"),
    ("unexpected end-of-file", "daemon"),
    ("the build users group 'nixbld' has no members", "users"),
    ("this system does not support the kernel namespaces that are required for sandboxing", "sandbox"),
    ("opening pseudoterminal master: No such device", "pseudoterminal"),
    ("opening lock file '/nix/var/nix/db/big-lock': Permission denied", "store cannot be written"),
    ("creating directory '/nix/store': Read-only file system", "store cannot be written"),
    (f"path '{DRV}' is not valid", "no longer in the store"),
    ("path '/nix/store/abc' is required, but there is no substituter that can build it", "an input is neither"),
    (
        (
            "Cannot build 'x.drv'.\nReason: required system or feature not available\n"
            "Required system: 'aarch64-linux' with features {}\nCurrent system: 'x86_64-linux'"
        ),
        "aarch64-linux:",
    ),
    ("interrupted by the user", "interrupted from outside"),
]


@pytest.mark.parametrize(("error", "reason"), OTHER_ERRORS)
@pytest.mark.parametrize("began", [True, False])
def test_faults_of_the_machine(error: str, reason: str, began: bool) -> None:  # noqa: FBT001
    outcome = classify(Evidence(status=100, errors=(error,), began=began))
    assert isinstance(outcome, BuildInterrupted)
    assert reason in outcome.reason
    assert outcome.infrastructure == ("interrupted" not in error)
    assert (outcome.kind is BuildState.OUT_OF_MEMORY) == ("memory" in reason)


@pytest.mark.parametrize(
    "error",
    [
        "builder for '/nix/store/No space left on device.drv' failed with exit code 1",
        "builder for 'x.drv' failed with exit code 1;\nlast 2 log lines:\n> No space left on device\n> Broken pipe",
        "Cannot build 'x.drv'.\nReason: builder failed with exit code 1.\nLast 1 log lines:\n> Cannot allocate memory",
    ],
)
def test_text_of_the_build_is_no_fault_of_the_machine(error: str) -> None:
    outcome = classify(Evidence(status=100, errors=(error,), began=True))
    assert outcome == BuildFailed("builder failed with exit code 1", exit_status=1)


KILLED = "builder for 'x.drv' failed due to signal 9 (Killed)"
EXITED = "builder for 'x.drv' failed with exit code 2"


@pytest.mark.parametrize(
    ("error", "kernel", "log", "out_of_memory"),
    [
        (KILLED, True, False, True),
        (KILLED, False, True, False),
        (EXITED, True, True, True),
        (EXITED, True, False, False),
        (EXITED, False, True, False),
    ],
)
def test_out_of_memory_needs_evidence(error: str, kernel: bool, log: bool, out_of_memory: bool) -> None:  # noqa: FBT001
    evidence = Evidence(status=100, errors=(error,), began=True, memory_ran_out=kernel, speaks_of_memory=log)
    outcome = classify(evidence)
    found = isinstance(outcome, BuildInterrupted) and outcome.kind is BuildState.OUT_OF_MEMORY
    assert found is out_of_memory


@pytest.mark.parametrize(("kernel", "kind"), [(True, BuildState.OUT_OF_MEMORY), (False, BuildState.PROCESS_DEATH)])
def test_a_killed_nix_is_the_machines_fault(kernel: bool, kind: BuildState) -> None:  # noqa: FBT001
    outcome = classify(Evidence(status=-9, began=True, memory_ran_out=kernel))
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.kind, outcome.infrastructure) == (kind, True)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (101, BuildInterrupted(BuildState.TIMEOUT, "timed out")),
        (102, BuildFailed("hash mismatch in a fixed-output derivation", final=True)),
        (104, BuildFailed("not deterministic: building it again gave other outputs", final=True)),
        (100, BuildFailed("the build failed, and Nix did not say why")),
    ],
)
def test_a_status_without_a_message_still_counts(status: int, expected: BuildOutcome) -> None:
    assert classify(Evidence(status=status, began=True)) == expected


def test_an_unknown_error_is_the_builds_only_if_it_began() -> None:
    assert classify(Evidence(status=1, errors=("strange\nthings",), began=True)) == BuildFailed("strange things")
    outcome = classify(Evidence(status=1, errors=("strange",), began=False))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure
    assert "strange" in outcome.reason


def test_success_is_only_status_zero() -> None:
    assert classify(Evidence(status=0, errors=("warning",))) == Built()
    assert classify(Evidence(status=1)) != Built()
