"""What an attempt came to: from exit status, Nix's messages and the log's end to an outcome, as tables.

Texts are those of Nix 2.8 to 2.3x and of Lix. Only Nix's own messages decide. Lines that a build printed can support
what something else proves (a moved counter, a derivation that fetches), and alone they are nothing.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildState, Built, TransientKind
from ekaci_core.nix.fetch_errors import network_trouble

_REASON_CHARACTERS: Final = 300
_LINE_CHARACTERS: Final = 200

ENDED_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that a program gets from somebody else, and not because of what it did."""


@attrs.frozen
class Evidence:
    """All that is known once Nix has exited.

    Attributes:
        status: Nix's exit status, negative where a signal ended it.
        errors: Nix's own error messages, without escape sequences; never text that a builder printed.
        began: whether a builder was started.
        remote: whether the build was to run on another machine, so that a lost connection is one to that machine.
        fixed_output: whether the derivation has a fixed output, and so may use the network.
        log_tail: the end of the log, without escape sequences; the build may have printed any of it.
        memory: sentences on counters of out-of-memory kills that moved meanwhile, empty where none did.
    """

    status: int
    errors: tuple[str, ...] = ()
    began: bool = False
    remote: bool = False
    fixed_output: bool = False
    log_tail: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()


def classify(evidence: Evidence) -> BuildOutcome:
    """Decide. Nothing that Nix says of the machine counts as a failure of the build, and the reverse.

    The last message that means anything is the one that ended the attempt: Nix says "error" also of what it got over,
    a database that was busy for a moment, say. Where that is a fault of the machine, those before it may say more. Of a
    build on another machine it is the first one: that machine's words come before what Nix here concludes from them.
    """
    if evidence.status == 0:
        return Built()
    if evidence.status < 0:
        return _nix_died(evidence)
    errors = [without_log(error) for error in evidence.errors]
    text = "\n".join(errors)
    for error in errors if evidence.remote else reversed(errors):
        if _of_machine(error, evidence):
            return _of_machine(text, evidence) or _unknown(text, evidence)
        for pattern, conclude in _BUILD:
            if found := pattern.search(error):
                return conclude(found, evidence)
    return _unknown(text, evidence)


def _of_machine(text: str, evidence: Evidence) -> BuildInterrupted | None:
    nameless = without_names(text)
    rows = (row for row in MACHINE if row.remote in (None, evidence.remote))
    return next((row.outcome for row in rows if row.pattern.search(nameless)), None)


def without_log(error: str) -> str:
    """Drop the copy of the build's own output that some versions of Nix add to a message."""
    return re.split(r";?\n[^\S\n]*(?:last|Last) \d+ log lines:", error, maxsplit=1)[0]


def without_names(text: str) -> str:
    """Empty the quoted names: a derivation chooses its own and those of its files, and they must decide nothing."""
    return re.sub(r"'[^'\n]*'", "''", text)


@attrs.frozen
class Row:
    """A fault of the machine: what Nix says, with quoted names empty, and what that means.

    ``remote`` restricts it to builds on another machine (True) or on this one (False).
    """

    pattern: re.Pattern[str]
    outcome: BuildInterrupted
    remote: bool | None = None


def _row(
    pattern: str,
    reason: str,
    transient: TransientKind | None = None,
    *,
    kind: BuildState = BuildState.PROCESS_DEATH,
    infrastructure: bool = True,
    remote: bool | None = None,
) -> Row:
    outcome = BuildInterrupted(kind, reason, infrastructure=infrastructure, transient=transient)
    return Row(re.compile(pattern), outcome, remote)


_LOST_CONNECTION: Final = (
    r"cannot connect to (?:socket|daemon)|Connection refused|Connection reset|unexpected end-of-file"
    r"|unexpected EOF reading|[Bb]roken pipe|daemon (?:connection )?disconnected|cannot open connection to"
    r"|failed to read from remote builder|build hook died unexpectedly"
)

# A build elsewhere that is lost costs that builder, not this machine: others go on.
MACHINE: Final[tuple[Row, ...]] = (
    _row(
        r"No space left on device|disk is full|Disk quota exceeded|caused by lack of free disk space",
        "no space left on the disk of the store or of the build: free some, `nix-collect-garbage` helps",
        TransientKind.DISK,
    ),
    _row(
        r"(?i)cannot allocate memory|std::bad_alloc|out of memory",
        "the machine ran out of memory: Nix itself could not have any",
        kind=BuildState.OUT_OF_MEMORY,
    ),
    _row(
        r"Host key verification failed|Permission denied \((?:publickey|password|keyboard|gssapi|hostbased)",
        "ssh is not let in to the builder: check its host key and the user's key",
        TransientKind.SSH,
        infrastructure=False,
    ),
    _row(
        (
            r"failed to start SSH connection|\bssh: |kex_exchange_identification|ssh_exchange_identification"
            r"|banner exchange|Failed to find a machine for remote build"
        ),
        "no connection to the builder through ssh: see whether it is up and answers",
        TransientKind.SSH,
        infrastructure=False,
    ),
    _row(
        (
            r"client_loop: send disconnect|Connection to \S+ closed by remote host|Timeout, server \S+ not responding"
            r"|packet_write_wait|while reading the response from the build hook"
        ),
        "the connection to the builder was lost during the build",
        TransientKind.BUILDER_LOST,
        infrastructure=False,
    ),
    _row(
        (
            r"unable to download '': (?:HTTP error (?:408|425|429|5\d\d)\b|.*\((?:5|6|7|16|18|28|35|52|55|56|92|95)\))"
            r"|usually happens due to networking issues"
        ),
        "an input could not be fetched: the network or a substituter does not answer",
        TransientKind.NETWORK,
    ),
    _row(
        _LOST_CONNECTION,
        "the connection to the builder was lost during the build",
        TransientKind.BUILDER_LOST,
        infrastructure=False,
        remote=True,
    ),
    _row(
        _LOST_CONNECTION,
        "the connection to the Nix daemon failed: check that nix-daemon runs",
        TransientKind.DAEMON,
        remote=False,
    ),
    _row(
        r"database is locked",
        "the database of the Nix store was in use for too long",
        TransientKind.DAEMON,
    ),
    _row(
        r"all build users are currently in use",
        "all users that Nix builds as were in use: make more of them, or build less at once",
        TransientKind.DAEMON,
    ),
    _row(
        r"specified in '' does not exist|no build users|has no members",
        "Nix has no users to build as: create the group of `build-users-group`, or set it to nothing",
    ),
    _row(
        r"namespace|sandbox(?:ing)? .*(?:not supported|require)|pivot_root|cannot set up .*user",
        "Nix cannot set up its sandbox on this machine: see `sandbox` in nix.conf",
    ),
    _row(
        r"[Rr]ead-only file system|(?:opening|creating|locking) .*: (?:Permission denied|Input/output error)",
        "the store cannot be written: check its permissions and its file system",
    ),
    _row(r"pseudoterminal", "Nix cannot open a pseudoterminal: /dev/pts must be mounted"),
    _row(
        r"Too many open files|Resource temporarily unavailable",
        "the machine ran out of files or processes",
    ),
    _row(
        (
            r"cannot build missing derivation|path '' (?:is not valid|does not exist)"
            r"|opening file '': No such file or directory"
        ),
        "the derivation or an input is no longer in the store: garbage was collected, evaluate again",
    ),
    _row(
        r"dependenc(?:y|ies) of(?: derivation)? '' failed|dependenc(?:y|ies) failed",
        "an input had gone from the store, and making it again failed",
    ),
    _row(
        r"required, but (?:there is )?no substituter|no substituter that can build it|some substitutes .* failed",
        "an input is neither in the store nor to be had from a substituter",
    ),
    _row(
        r"interrupted by the user",
        "Nix was interrupted from outside",
        TransientKind.KILLED,
        infrastructure=False,
    ),
)
"""Faults that are not the build's, the first that fits decides."""


def _cannot_build(found: re.Match[str], evidence: Evidence) -> BuildOutcome:
    features = ", ".join(found[2].split(", ")) if found[2] else ""
    wanted = f"{found[1]} with {features}" if features else found[1]
    whose = "the builder's Nix" if evidence.remote else "this machine's Nix"
    reason = f"{whose} does not build for {wanted}: see `system-features` and `extra-platforms`"
    return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True)


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
    if evidence.memory:
        return _out_of_memory("the builder was killed by signal 9", evidence)
    return BuildInterrupted(BuildState.PROCESS_DEATH, "builder was killed (signal 9)", transient=TransientKind.KILLED)


def _exited(found: re.Match[str], evidence: Evidence) -> BuildOutcome:
    status = int(found[1])
    if evidence.memory and (said := _of_memory(status, evidence.log_tail)):
        return _out_of_memory(said, evidence)
    if evidence.fixed_output and (line := network_trouble(evidence.log_tail)):
        return BuildInterrupted(
            BuildState.PROCESS_DEATH,
            f"the fetch failed because of the network: {line[:_LINE_CHARACTERS]}",
            transient=TransientKind.NETWORK,
        )
    return BuildFailed(f"builder failed with exit code {status}", exit_status=status)


def _no_output(found: re.Match[str], _: Evidence) -> BuildOutcome:
    return BuildFailed(f"builder did not produce the output {found[1]!r}")


def _wants_no_sandbox(_: re.Match[str], __: Evidence) -> BuildOutcome:
    reason = "it asks for a build without a sandbox (`__noChroot`), which Nix does not allow where `sandbox` is `true`"
    return BuildFailed(reason, final=True)


def _wants_the_machine(found: re.Match[str], _: Evidence) -> BuildOutcome:
    reason = f"it asks for {found[1]} of the machine (`__impureHostDeps`), which Nix does not allow"
    return BuildFailed(reason, final=True)


_BUILD: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Evidence], BuildOutcome]], ...]] = (
    (re.compile(r"an? '([^']*)' with features \{([^}]*)\} is required"), _cannot_build),
    (re.compile(r"Required system: '([^']*)' with features \{([^}]*)\}"), _cannot_build),
    (re.compile(r"hash mismatch in fixed-output.*?specified:\s*(\S+).*?got:\s*(\S+)", re.DOTALL), _wrong_hash),
    (re.compile(r"timed out after (\d+) seconds( of silence)?"), _timed_out),
    (re.compile(r"may not be deterministic"), _not_deterministic),
    (re.compile(r"has '__noChroot' set, but"), _wants_no_sandbox),
    (re.compile(r"requested impure path '([^']*)', but"), _wants_the_machine),
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
    reason = f"Nix could not begin the build: {first or f'exit status {evidence.status}, without a message'}"
    return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True)


def _nix_died(evidence: Evidence) -> BuildOutcome:
    number = -evidence.status
    reason = f"Nix was ended by signal {number} ({_signal_name(number)})"
    if number == signal.SIGKILL and evidence.memory:
        return attrs.evolve(_out_of_memory(reason, evidence), infrastructure=True)
    passing = TransientKind.KILLED if number in ENDED_FROM_OUTSIDE else None
    return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True, transient=passing)


_KILLED_STATUS: Final = 128 + signal.SIGKILL  # what a shell exits with when its last program was killed
_SPEAKING: Final = re.compile(
    r"\bKilled\b|\bSIGKILL\b|signal 9\b|out of memory|cannot allocate memory|memory exhausted|bad_alloc",
    re.IGNORECASE,
)


def speaks_of_memory(lines: Iterable[str]) -> str | None:
    """Return the last line that reads as if memory had run out, or something was killed; None if there is none."""
    found = None
    for line in lines:
        if _SPEAKING.search(line):
            found = line.strip()
    return found


def _of_memory(status: int, log_tail: Iterable[str]) -> str | None:
    if status == _KILLED_STATUS:
        return f"the builder exited with {status}, as a shell does whose program was killed by signal 9"
    line = speaks_of_memory(log_tail)
    return None if line is None else f"the log says {line[:_LINE_CHARACTERS]!r}"


def _out_of_memory(said: str, evidence: Evidence) -> BuildInterrupted:
    return BuildInterrupted(BuildState.OUT_OF_MEMORY, f"out of memory: {said}, and {'; '.join(evidence.memory)}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
