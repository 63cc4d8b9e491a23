from __future__ import annotations

import pytest

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildState, Built, TransientKind
from ekaci_core.nix.build_errors import MACHINE, Evidence, Row, classify, speaks_of_memory

DRV = "/nix/store/p96bx1ln687qzcyqj4cbnkvaid8vc6nb-x.drv"


def machine(reason: str, transient: TransientKind | None = None) -> BuildInterrupted:
    return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True, transient=transient)


def interrupted(reason: str, transient: TransientKind) -> BuildInterrupted:
    return BuildInterrupted(BuildState.PROCESS_DEATH, reason, transient=transient)


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
    ("creating pipe: Too many open files", "ran out of files"),
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


# What Nix says of faults that may pass by themselves: the text, whether the build was to run elsewhere, and the kind.
PASSING = [
    ("writing to file: No space left on device", False, TransientKind.DISK),
    ("committing transaction: database or disk is full", False, TransientKind.DISK),
    ("writing to file: Disk quota exceeded", True, TransientKind.DISK),
    # the daemon restarts, or was never there
    ("unexpected end-of-file", False, TransientKind.DAEMON),  # 2.8
    ("Nix daemon disconnected unexpectedly (maybe it crashed?)", False, TransientKind.DAEMON),  # 2.24
    (
        "cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
        False,
        TransientKind.DAEMON,
    ),
    ("cannot connect to daemon at '/socket': No such file or directory", False, TransientKind.DAEMON),
    (
        "cannot open connection to remote store 'daemon': error: reading from file: Connection reset by peer",
        False,
        TransientKind.DAEMON,
    ),
    ("writing to file: Broken pipe", False, TransientKind.DAEMON),
    ("executing SQLite statement 'insert': database is locked (in '/nix/var/nix/db/db.sqlite')", False, "daemon"),
    ("all build users are currently in use; consider creating additional users", False, TransientKind.DAEMON),
    # the same words of a build elsewhere
    ("unexpected end-of-file", True, TransientKind.BUILDER_LOST),
    ("Nix daemon disconnected unexpectedly (maybe it crashed?)", True, TransientKind.BUILDER_LOST),
    ("writing to file: Broken pipe", True, TransientKind.BUILDER_LOST),
    ("failed to read from remote builder", True, TransientKind.BUILDER_LOST),
    (
        "error:\n… while reading the response from the build hook\nerror: unexpected EOF reading a line",
        False,
        TransientKind.BUILDER_LOST,
    ),
    ("client_loop: send disconnect: Broken pipe", True, TransientKind.BUILDER_LOST),
    ("Connection to builder.example.org closed by remote host.", True, TransientKind.BUILDER_LOST),
    ("Timeout, server builder.example.org not responding.", True, TransientKind.BUILDER_LOST),
    # ssh
    ("failed to start SSH connection to 'builder'", True, TransientKind.SSH),
    ("cannot open connection to remote store 'ssh-ng://b': failed to start SSH connection to 'b'", True, "ssh"),
    ("ssh: connect to host builder port 22: Connection refused\nunexpected end-of-file", True, TransientKind.SSH),
    ("ssh: Could not resolve hostname builder: Name or service not known", True, TransientKind.SSH),
    ("kex_exchange_identification: Connection closed by remote host", True, TransientKind.SSH),
    ("Connection timed out during banner exchange", True, TransientKind.SSH),
    ("Host key verification failed.\nfailed to start SSH connection to 'b'", True, TransientKind.SSH),
    ("nix@b: Permission denied (publickey,password).", True, TransientKind.SSH),
    ("Failed to find a machine for remote build!", False, TransientKind.SSH),
    # Nix's own downloads, before a build
    ("unable to download 'https://c/a.narinfo': Couldn't resolve host name (6)", False, TransientKind.NETWORK),  # 2.8
    (
        "unable to download 'https://c/nar/a.nar.xz': Could not resolve hostname (6) Could not resolve host: c",
        False,
        TransientKind.NETWORK,
    ),
    (
        "unable to download 'https://c/a': Couldn't connect to server (7) Failed to connect to c: Connection refused",
        False,
        TransientKind.NETWORK,
    ),
    ("unable to download 'https://c/a.narinfo': HTTP error 503 ('Service Unavailable')", False, "network"),
    ("unable to download 'https://c/a.narinfo': HTTP error 429 ('')", True, TransientKind.NETWORK),
    (
        (
            "some substitutes for the outputs of derivation '/nix/store/x.drv' failed (usually happens due to "
            "networking issues); try '--fallback' to build derivation from source"
        ),
        False,
        TransientKind.NETWORK,
    ),
    ("interrupted by the user", False, TransientKind.KILLED),
]


@pytest.mark.parametrize(("error", "remote", "kind"), PASSING)
@pytest.mark.parametrize("began", [True, False])
def test_faults_that_may_pass(error: str, remote: bool, kind: str, began: bool) -> None:  # noqa: FBT001
    outcome = classify(Evidence(status=1, errors=(error,), began=began, remote=remote))
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.kind, outcome.transient) == (BuildState.PROCESS_DEATH, kind)
    lost = outcome.transient in (TransientKind.BUILDER_LOST, TransientKind.SSH, TransientKind.KILLED)
    assert outcome.infrastructure is not lost, "a builder that is lost stops no others"


# What looks similar and does not pass.
STAYING = [
    "unable to download 'https://c/a.narinfo': HTTP error 404 ('Not Found')",
    "unable to download 'https://c/a': SSL peer certificate or SSH remote key was not OK (60)",
    "path '/nix/store/abc' is required, but there is no substituter that can build it",
    "the build users group 'nixbld' has no members",
    "opening lock file '/nix/var/nix/db/big-lock': Permission denied",
    "a 'aarch64-linux' with features {kvm} is required to build 'x', but I am a 'x86_64-linux'",
]


@pytest.mark.parametrize("error", STAYING)
def test_faults_that_do_not_pass(error: str) -> None:
    outcome = classify(Evidence(status=1, errors=(error,)))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.transient is None


@pytest.mark.parametrize("row", MACHINE, ids=lambda row: row.outcome.reason[:30])
def test_every_row_is_reached_by_a_text(row: Row) -> None:
    texts = [(error, remote) for error, remote, _ in PASSING]
    texts += [(error, False) for error, _ in OTHER_ERRORS] + [(text, False) for text in RECORDED_TEXTS]
    reached = [classify(Evidence(status=1, errors=(error,), remote=remote)) for error, remote in texts]
    assert any(outcome is row.outcome for outcome in reached)


RECORDED_TEXTS = [
    "the group 'nixbld' specified in 'build-users-group' does not exist",
    "1 dependencies of derivation '/nix/store/x.drv' failed to build",
]


FETCHED = [
    "curl: (6) Could not resolve host: example.org",
    "curl: (7) Failed to connect to example.org port 443 after 3 ms: Connection refused",
    "curl: (28) Operation timed out after 30001 milliseconds with 0 bytes received",
    "curl: (35) OpenSSL SSL_connect: Connection reset by peer in connection to example.org:443",
    "curl: (56) Recv failure: Connection reset by peer",
    "curl: (18) transfer closed with 1234 bytes remaining to read",
    "curl: (22) The requested URL returned error: 503",
    "curl: (22) The requested URL returned error: 429 Too Many Requests",
    "error: unable to download 'https://example.org/a': Couldn't resolve host name (6)",
    "error: unable to download 'https://example.org/a': HTTP error 502",
    "wget: unable to resolve host address 'example.org'",
    "HTTP request sent, awaiting response... 503 Service Unavailable",
    "fatal: unable to access 'https://example.org/a.git/': Could not resolve host: example.org",
    "ssh: Could not resolve hostname example.org: Temporary failure in name resolution",
    "error: RPC failed; curl 92 HTTP/2 stream 0 was not closed cleanly",
    "fatal: the remote end hung up unexpectedly",
    "warning: spurious network error (3 tries remaining): [6] Couldn't resolve host name",
    'go: module lookup: Get "https://proxy": dial tcp: lookup proxy on 127.0.0.1:53: no such host',
    "npm ERR! network request to https://registry failed, reason: getaddrinfo EAI_AGAIN registry",
    "OSError: [Errno 101] Network is unreachable",
]


@pytest.mark.parametrize("line", FETCHED)
@pytest.mark.parametrize("fixed_output", [True, False])
def test_a_fetcher_without_network_may_do_better_later(line: str, fixed_output: bool) -> None:  # noqa: FBT001
    log = ("trying https://example.org/a", line, "error: cannot download a from any mirror")
    failed = "builder for 'x.drv' failed with exit code 1"
    outcome = classify(Evidence(status=100, errors=(failed,), began=True, fixed_output=fixed_output, log_tail=log))
    if fixed_output:
        assert outcome == interrupted(f"the fetch failed because of the network: {line}", TransientKind.NETWORK)
    else:
        assert outcome == BuildFailed("builder failed with exit code 1", exit_status=1)


@pytest.mark.parametrize(
    "line",
    [
        "curl: (22) The requested URL returned error: 404",
        "curl: (60) SSL certificate problem: certificate has expired",
        "curl: (1) Protocol gopher not supported",
        "error: unable to download 'https://example.org/a': HTTP error 404 ('Not Found')",
        "fatal: couldn't find remote ref refs/heads/gone",
        "fatal: repository 'https://example.org/a.git/' not found",
        "tar: Unexpected EOF in archive",
        "checked 5 of 503 files",
    ],
)
def test_a_fetcher_that_finds_nothing_fails(line: str) -> None:
    failed = "builder for 'x.drv' failed with exit code 1"
    outcome = classify(Evidence(status=100, errors=(failed,), began=True, fixed_output=True, log_tail=(line,)))
    assert outcome == BuildFailed("builder failed with exit code 1", exit_status=1)


def test_a_wrong_hash_is_final_whatever_the_network_did() -> None:
    error = "hash mismatch in fixed-output derivation '/nix/store/x.drv':\n  specified: sha256-A\n  got: sha256-B"
    log = ("curl: (6) Could not resolve host: first.mirror", "trying second mirror")
    outcome = classify(Evidence(status=102, errors=(error,), began=True, fixed_output=True, log_tail=log))
    assert outcome == BuildFailed("hash mismatch: specified sha256-A, got sha256-B", final=True)


@pytest.mark.parametrize(
    "notice",
    [
        "error: SQLite database '/nix/var/nix/db/db.sqlite' is busy",
        "error (ignored): error: unable to download 'https://c/a.narinfo': HTTP error 503",
        "unable to download 'https://c/a.narinfo': Couldn't resolve host name (6)",
        "unexpected end-of-file",
    ],
)
def test_what_nix_got_over_decides_nothing(notice: str) -> None:
    errors = (notice, "builder for 'x.drv' failed with exit code 3", "build of 'x.drv' failed")
    outcome = classify(Evidence(status=100, errors=errors, began=True))
    assert outcome == BuildFailed("builder failed with exit code 3", exit_status=3)


def test_a_fault_of_the_machine_is_explained_by_what_came_before() -> None:
    errors = ("ssh: connect to host b port 22: Connection timed out", "unexpected end-of-file")
    outcome = classify(Evidence(status=1, errors=errors, remote=True))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.transient is TransientKind.SSH


def test_an_input_that_fails_is_no_failure_of_what_needs_it() -> None:
    errors = ("builder for 'input.drv' failed with exit code 1", "1 dependencies of derivation 'x.drv' failed to build")
    outcome = classify(Evidence(status=100, errors=errors))
    assert outcome == machine("an input had gone from the store, and making it again failed")


KILLED = "builder for 'x.drv' failed due to signal 9 (Killed)"
EXITED = "builder for 'x.drv' failed with exit code 2"
SHELL = "builder for 'x.drv' failed with exit code 137"
COUNTED = "the kernel's out-of-memory kills of the whole machine went from 3 to 4"
CC1PLUS = "g++: fatal error: Killed signal terminated program cc1plus"


@pytest.mark.parametrize(
    ("error", "kernel", "log", "named"),
    [
        (KILLED, True, (), "the builder was killed by signal 9"),
        (KILLED, False, (CC1PLUS,), None),
        (EXITED, True, (CC1PLUS, "make: *** [a.o] Error 1"), f"the log says {CC1PLUS!r}"),
        (EXITED, True, ("a test failed",), None),
        (EXITED, False, (CC1PLUS,), None),
        (SHELL, True, (), "exited with 137"),
        (SHELL, False, (), None),
    ],
)
def test_out_of_memory_needs_evidence_and_names_it(
    error: str,
    kernel: bool,  # noqa: FBT001
    log: tuple[str, ...],
    named: str | None,
) -> None:
    memory = (COUNTED,) if kernel else ()
    outcome = classify(Evidence(status=100, errors=(error,), began=True, memory=memory, log_tail=log))
    found = isinstance(outcome, BuildInterrupted) and outcome.kind is BuildState.OUT_OF_MEMORY
    assert found is (named is not None)
    if named is not None and isinstance(outcome, BuildInterrupted):
        assert named in outcome.reason
        assert outcome.reason.endswith(COUNTED)
        assert not outcome.infrastructure, "others may need less"
        assert outcome.transient is None, "it needs as much again"


@pytest.mark.parametrize(
    ("line", "speaks"),
    [
        (CC1PLUS, True),
        ("sh: line 1: 42 Killed   cc1", True),
        ("virtual memory exhausted: Cannot allocate memory", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("make: *** [all] Error 2", False),
        ("the skilled painter", False),
        ("signal 91", False),
    ],
)
def test_logs_that_speak_of_memory(line: str, speaks: bool) -> None:  # noqa: FBT001
    assert speaks_of_memory(["before", line, "after"]) == (line if speaks else None)


@pytest.mark.parametrize(
    ("status", "kernel", "kind", "transient"),
    [
        (-9, True, BuildState.OUT_OF_MEMORY, None),
        (-9, False, BuildState.PROCESS_DEATH, TransientKind.KILLED),
        (-15, True, BuildState.PROCESS_DEATH, TransientKind.KILLED),
        (-11, False, BuildState.PROCESS_DEATH, None),
    ],
)
def test_a_nix_that_died_is_the_machines_fault(
    status: int,
    kernel: bool,  # noqa: FBT001
    kind: BuildState,
    transient: TransientKind | None,
) -> None:
    outcome = classify(Evidence(status=status, began=True, memory=(COUNTED,) if kernel else ()))
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.kind, outcome.transient, outcome.infrastructure) == (kind, transient, True)


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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (f"derivation '{DRV}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'", "__noChroot"),
        (
            f"derivation '{DRV}' requested impure path '/root', but it was not in allowed-impure-host-deps",
            "it asks for /root of the machine",
        ),
    ],
)
def test_a_derivation_that_asks_for_what_nix_does_not_allow_is_no_fault_of_the_machine(error: str, reason: str) -> None:
    """One that could be would stop the builds of everybody, and whoever writes a derivation chooses this."""
    outcome = classify(Evidence(status=1, errors=(error,)))
    assert isinstance(outcome, BuildFailed)
    assert outcome.final
    assert reason in outcome.reason
