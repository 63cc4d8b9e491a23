"""How attempts ended that were recorded with several versions of Nix."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildState, Built, TransientKind
from ekaci_core.builtin.local_builder.attempt import Attempt
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.build_errors import Evidence, classify
from ekaci_core.nix.internal_json import ActivityKind, ActivityStarted, parse_line
from ekaci_core.process.lines import LineSplitter
from ekaci_core.process.plain import plain

RECORDINGS = Path(__file__).parents[2] / "data" / "internal_json"
VERSIONS = sorted(folder.name for folder in RECORDINGS.iterdir())
DRV = "/nix/store/p96bx1ln687qzcyqj4cbnkvaid8vc6nb-x.drv"

SPECIFIED = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
GOT = "sha256-mOpuTyFvL7S2n/+bOkSELDhobKaF8/VdxIxdP7EQe+Q="


def machine(reason: str, transient: TransientKind | None = None) -> BuildInterrupted:
    return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True, transient=transient)


def interrupted(reason: str, transient: TransientKind) -> BuildInterrupted:
    return BuildInterrupted(BuildState.PROCESS_DEATH, reason, transient=transient)


DAEMON_GONE = machine("the connection to the Nix daemon failed: check that nix-daemon runs", TransientKind.DAEMON)
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
    "killed": interrupted("builder was killed (signal 9)", TransientKind.KILLED),
    "silent": BuildInterrupted(BuildState.TIMEOUT, "timed out after 1 seconds of silence"),
    "too-long": BuildInterrupted(BuildState.TIMEOUT, "timed out after 1 seconds"),
    "vanished": GONE,
    "dependency": machine("an input had gone from the store, and making it again failed"),
    "no-daemon": DAEMON_GONE,
    "daemon-killed": DAEMON_GONE,
    "disk-full": machine(
        "no space left on the disk of the store or of the build: free some, `nix-collect-garbage` helps",
        TransientKind.DISK,
    ),
    "no-build-users": machine(
        "Nix has no users to build as: create the group of `build-users-group`, or set it to nothing"
    ),
    "other-system": machine(
        "this machine's Nix does not build for aarch64-linux with foo, kvm: see `system-features` and `extra-platforms`"
    ),
}


# Of fetches by `builtin:fetchurl`, which say in the log of the build why they failed.
FETCHES: dict[str, BuildOutcome] = {
    "fetch-404": BuildFailed("builder failed with exit code 1", exit_status=1),
    "fetch-503": interrupted("the fetch failed because of the network: ", TransientKind.NETWORK),
    "fetch-no-host": interrupted("the fetch failed because of the network: ", TransientKind.NETWORK),
    "fetch-refused": interrupted("the fetch failed because of the network: ", TransientKind.NETWORK),
}


def replay(version: str, name: str, *, fixed_output: bool = False) -> BuildOutcome:
    """Let a recording pass through everything between Nix's output and the outcome."""
    folder = RECORDINGS / version
    statuses = dict(line.split() for line in (folder / "statuses").read_text().splitlines())
    splitter = LineSplitter()
    lines = [*splitter.feed((folder / f"{name}.log").read_bytes()), *splitter.end()]
    records = [parse_line(line) for line in lines]
    built = [each for each in records if isinstance(each, ActivityStarted) and each.kind is ActivityKind.BUILD]
    attempt = Attempt(DrvPath.parse(built[-1].subject) if built else DrvPath(DRV))
    log = attempt.take(records).decode()
    evidence = Evidence(
        status=int(statuses[name]),
        errors=attempt.errors,
        began=attempt.began,
        fixed_output=fixed_output,
        log_tail=tuple(map(plain, log.splitlines())),
    )
    return classify(evidence)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_endings(version: str, name: str) -> None:
    assert replay(version, name) == RECORDED[name]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(FETCHES))
def test_recorded_fetches(version: str, name: str) -> None:
    outcome, expected = replay(version, name, fixed_output=True), FETCHES[name]
    assert not isinstance(outcome, Built)
    assert not isinstance(expected, Built)
    assert outcome.reason.startswith(expected.reason)
    assert attrs.evolve(outcome, reason=expected.reason) == expected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(FETCHES))
def test_the_same_log_of_a_build_that_fetches_nothing_is_a_failure(version: str, name: str) -> None:
    assert replay(version, name) == BuildFailed("builder failed with exit code 1", exit_status=1)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recording_has_an_ending(version: str) -> None:
    assert {path.stem for path in (RECORDINGS / version).glob("*.log")} == {*RECORDED, *FETCHES}
