"""What an attempt came to: from exit status and messages to an outcome, as one table."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from typing import Final

import attrs

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildState, Built

_REASON_CHARACTERS: Final = 300


@attrs.frozen
class Evidence:
    """All that is known once Nix has exited.

    Attributes:
        status: Nix's exit status, negative where a signal ended it.
        errors: Nix's own error messages, without escape sequences; never text that a builder printed.
        began: whether a builder was started.
        memory_ran_out: whether the kernel killed something for memory meanwhile.
        speaks_of_memory: whether the end of the log reads as if memory had run out, or something was killed.
    """

    status: int
    errors: tuple[str, ...] = ()
    began: bool = False
    memory_ran_out: bool = False
    speaks_of_memory: bool = False

    @property
    def lost_memory(self) -> bool:
        """Whether kernel and log agree; either alone proves nothing about this build."""
        return self.memory_ran_out and self.speaks_of_memory


def classify(evidence: Evidence) -> BuildOutcome:
    """Decide. Nothing that Nix says of the machine counts as a failure of the build, and the reverse."""
    if evidence.status == 0:
        return Built()
    if evidence.status < 0:
        return _nix_died(evidence)
    text = "\n".join(without_log(error) for error in evidence.errors)
    for pattern, outcome in _MACHINE:
        if pattern.search(without_names(text)):
            return outcome
    for pattern, conclude in _BUILD:
        if found := pattern.search(text):
            return conclude(found, evidence)
    return _unknown(text, evidence)


def without_log(error: str) -> str:
    """Drop the copy of the build's own output that some versions of Nix add to a message."""
    return re.split(r";?\n[^\S\n]*(?:last|Last) \d+ log lines:", error, maxsplit=1)[0]


def without_names(text: str) -> str:
    """Empty the quoted names: a derivation chooses its own and those of its files, and they must decide nothing."""
    return re.sub(r"'[^'\n]*'", "''", text)


def _machine(reason: str, kind: BuildState = BuildState.PROCESS_DEATH) -> BuildInterrupted:
    return BuildInterrupted(kind, reason, infrastructure=True)


_OUT_OF_MEMORY: Final = _machine("the machine ran out of memory", BuildState.OUT_OF_MEMORY)
_GONE: Final = _machine("the derivation or an input is no longer in the store: garbage was collected, evaluate again")

# Quoted names are gone from the text that these are looked for in.
_MACHINE: Final[tuple[tuple[re.Pattern[str], BuildInterrupted], ...]] = tuple(
    (re.compile(pattern), outcome)
    for pattern, outcome in (
        (
            r"No space left on device|disk is full|Disk quota exceeded|caused by lack of free disk space",
            _machine("no space left on the disk of the store or of the build: free some, `nix-collect-garbage` helps"),
        ),
        (r"(?i)cannot allocate memory|std::bad_alloc|out of memory", _OUT_OF_MEMORY),
        (
            (
                r"cannot connect to (?:socket|daemon)|Connection refused|Connection reset|unexpected end-of-file"
                r"|[Bb]roken pipe|daemon (?:connection )?disconnected"
            ),
            _machine("the connection to the Nix daemon failed: check that nix-daemon runs"),
        ),
        (
            r"specified in '' does not exist|no build users|has no members|all build users are currently in use",
            _machine("Nix has no users to build as: create the group of `build-users-group`, or set it to nothing"),
        ),
        (
            r"namespace|sandbox(?:ing)? .*(?:not supported|require)|pivot_root|cannot set up .*user",
            _machine("Nix cannot set up its sandbox on this machine: see `sandbox` in nix.conf"),
        ),
        (
            r"[Rr]ead-only file system|(?:opening|creating|locking) .*: (?:Permission denied|Input/output error)",
            _machine("the store cannot be written: check its permissions and its file system"),
        ),
        (r"pseudoterminal", _machine("Nix cannot open a pseudoterminal: /dev/pts must be mounted")),
        (
            r"Too many open files|Resource temporarily unavailable",
            _machine("the machine ran out of files or processes"),
        ),
        (
            (
                r"cannot build missing derivation|path '' (?:is not valid|does not exist)"
                r"|opening file '': No such file or directory"
            ),
            _GONE,
        ),
        (
            r"dependenc(?:y|ies) of(?: derivation)? '' failed|dependenc(?:y|ies) failed",
            _machine("an input had gone from the store, and making it again failed"),
        ),
        (
            r"required, but (?:there is )?no substituter|no substituter that can build it|some substitutes .* failed",
            _machine("an input is neither in the store nor to be had from a substituter"),
        ),
        (r"interrupted by the user", BuildInterrupted(BuildState.PROCESS_DEATH, "Nix was interrupted from outside")),
    )
)


def _cannot_build(found: re.Match[str], _: Evidence) -> BuildOutcome:
    features = ", ".join(found[2].split(", ")) if found[2] else ""
    wanted = f"{found[1]} with {features}" if features else found[1]
    return _machine(f"this machine's Nix does not build for {wanted}: see `system-features` and `extra-platforms`")


def _timed_out(found: re.Match[str], _: Evidence) -> BuildOutcome:
    silence = " of silence" if found[2] else ""
    return BuildInterrupted(BuildState.TIMEOUT, f"timed out after {found[1]} seconds{silence}")


def _wrong_hash(found: re.Match[str], _: Evidence) -> BuildOutcome:
    return BuildFailed(f"hash mismatch: specified {found[1]}, got {found[2]}", final=True)


def _not_deterministic(_: re.Match[str], __: Evidence) -> BuildOutcome:
    return BuildFailed("not deterministic: building it again gave other outputs", final=True)


def _killed(found: re.Match[str], evidence: Evidence) -> BuildOutcome:
    number = int(found[1])
    if number != signal.SIGKILL:
        return BuildFailed(f"builder was ended by signal {number} ({_signal_name(number)})")
    # Nothing in a build sends SIGKILL to the builder as a rule: the kernel or a person does.
    if evidence.memory_ran_out:
        return _OUT_OF_MEMORY
    return BuildInterrupted(BuildState.PROCESS_DEATH, "builder was killed (signal 9)")


def _exited(found: re.Match[str], evidence: Evidence) -> BuildOutcome:
    status = int(found[1])
    if evidence.lost_memory:
        return _OUT_OF_MEMORY
    return BuildFailed(f"builder failed with exit code {status}", exit_status=status)


def _no_output(found: re.Match[str], _: Evidence) -> BuildOutcome:
    return BuildFailed(f"builder did not produce the output {found[1]!r}")


_BUILD: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Evidence], BuildOutcome]], ...]] = (
    (re.compile(r"an? '([^']*)' with features \{([^}]*)\} is required"), _cannot_build),
    (re.compile(r"Required system: '([^']*)' with features \{([^}]*)\}"), _cannot_build),
    (re.compile(r"hash mismatch in fixed-output.*?specified:\s*(\S+).*?got:\s*(\S+)", re.DOTALL), _wrong_hash),
    (re.compile(r"timed out after (\d+) seconds( of silence)?"), _timed_out),
    (re.compile(r"may not be deterministic"), _not_deterministic),
    (re.compile(r"failed due to signal (\d+)"), _killed),
    (re.compile(r"failed with exit code (\d+)"), _exited),
    (re.compile(r"failed to produce output path for output '([^']*)'"), _no_output),
)

# Nix's exit status of a failed build is 100, with one bit for each further kind.
_KINDS_BY_STATUS: Final[dict[int, BuildOutcome]] = {
    101: BuildInterrupted(BuildState.TIMEOUT, "timed out"),
    102: BuildFailed("hash mismatch in a fixed-output derivation", final=True),
    104: BuildFailed("not deterministic: building it again gave other outputs", final=True),
}


def _unknown(text: str, evidence: Evidence) -> BuildOutcome:
    if evidence.status in _KINDS_BY_STATUS:
        return _KINDS_BY_STATUS[evidence.status]
    first = " ".join(text.split())[:_REASON_CHARACTERS]
    if evidence.began:
        return BuildFailed(first or "the build failed, and Nix did not say why")
    return _machine(f"Nix could not begin the build: {first or f'exit status {evidence.status}, without a message'}")


def _nix_died(evidence: Evidence) -> BuildOutcome:
    number = -evidence.status
    if number == signal.SIGKILL and evidence.memory_ran_out:
        return _OUT_OF_MEMORY
    return _machine(f"Nix was ended by signal {number} ({_signal_name(number)})")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
