"""What the messages of programs mean: the tables, line by line."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_cache_backends.attic.destination import parse_destination
from ekaci_cache_backends.attic.program import ATTIC_MESSAGES, configuration, told_paths
from ekaci_cache_backends.cachix.messages import CACHIX_MESSAGES, SkippedPaths
from ekaci_cache_backends.judgement import Kind, Row, judge
from ekaci_core.api import ProgramEnd, Secret, StorePath

NAME = f"{'a' * 32}-ordinary-1.0"

# As the programs print them (their public source, and issues in their repositories).
CACHIX = [
    ("Binary cache mine doesn't exist or you don't have access. Error: Cachix Auth token has expired.", Kind.REFUSED),
    ("Binary cache mine doesn't exist or it's private and you need a token: Start by visiting", Kind.REFUSED),
    ("cachix: FailureResponse (Response {responseStatusCode = Status {statusCode = 401, ...", Kind.REFUSED),
    ("cachix: FailureResponse (Response {responseStatusCode = Status {statusCode = 403, ...", Kind.REFUSED),
    ("Neither auth token nor signing key are present.\n\nThey are looked up via $CACHIX_AUTH_TOKEN", Kind.LASTING),
    ("Binary cache mine does not exist.", Kind.LASTING),
    ("statusCode = 404, statusMessage", Kind.LASTING),
    ("statusCode = 413, statusMessage", Kind.LASTING),
    ('statusCode = 400, responseHeaders = fromList [("Connection","keep-alive")]', Kind.LASTING),
    ('statusCode = 429, responseHeaders = fromList [("Connection","keep-alive")]', Kind.TRANSIENT),
    (
        'statusCode = 500, statusMessage = "Internal Server Error", responseBody = "Something went wrong"',
        Kind.TRANSIENT,
    ),
    (
        "HttpExceptionRequest Request {..} (ConnectionFailure Network.Socket.getAddrInfo: does not exist)",
        Kind.TRANSIENT,
    ),
    ("HttpExceptionRequest Request {..} ResponseTimeout", Kind.TRANSIENT),
    ("HttpExceptionRequest Request {..} NoResponseDataReceived", Kind.TRANSIENT),
    ("(TlsExceptionHostPort (HandshakeFailed (Error_Protocol (certificate has unknown CA", Kind.TRANSIENT),
    ("nix-store: error: writing to file: No space left on device", Kind.TRANSIENT),
    ("Nar hash mismatch between nix-store --dump and nix db.", Kind.ONE_PATH),
    (
        f"cachix: CppStdException \"Exception: path '/nix/store/{NAME}' is not valid; type: nix::InvalidPath\"",
        Kind.ONE_PATH,
    ),
    ('cachix: FatalError {fatalErrorMessage = "no such path /nix/store/..."}', Kind.ONE_PATH),
    ("Invalid option `--hostname'\n\nUsage: cachix [-c|--config CONFIGPATH]", Kind.LASTING),
    ("something that nobody has seen", Kind.TRANSIENT),
    ("", Kind.TRANSIENT),
]
ATTIC = [
    ("Error: Unauthorized: Unauthorized.", Kind.REFUSED),
    ("Error: AccessError: Access error: User does not have permission to complete this action.", Kind.REFUSED),
    ("Error: HTTP 401 Unauthorized: <html>", Kind.REFUSED),
    ("Error: NoSuchCache: The requested cache does not exist.", Kind.LASTING),
    ("Error: Invalid cache reference", Kind.LASTING),
    ('Error: Server "central" does not exist', Kind.LASTING),
    ("Error: RequestError: General request error: Bad NAR Hash or Size", Kind.ONE_PATH),
    ("Error: RequestError: General request error: Upload info is too large", Kind.LASTING),
    ("Error: HTTP 413 Payload Too Large: <html>", Kind.LASTING),
    ("Error: Unknown C++ exception: error: path '/nix/store/x' is not valid.", Kind.ONE_PATH),
    ("Error: InternalServerError: The server encountered an internal error or misconfiguration.", Kind.TRANSIENT),
    ("Error: HTTP 500 Internal Server Error: <html>", Kind.TRANSIENT),
    ("Error: HTTP 429 Too Many Requests: ", Kind.TRANSIENT),
    ("Error: error sending request for url (https://attic.example.com/_api/v1/upload-path)", Kind.TRANSIENT),
    ("Error: error sending request\n\nCaused by:\n  dns error: failed to lookup address information", Kind.TRANSIENT),
    ("error: unexpected argument '--no-closure' found", Kind.LASTING),
    ("Error: something that nobody has seen", Kind.TRANSIENT),
]
TABLES: list[tuple[str, Sequence[Row], str, Kind]] = [
    *(("cachix", CACHIX_MESSAGES, text, kind) for text, kind in CACHIX),
    *(("attic", ATTIC_MESSAGES, text, kind) for text, kind in ATTIC),
]


@pytest.mark.parametrize(("program", "table", "text", "kind"), TABLES)
def test_a_message_has_its_meaning(program: str, table: Sequence[Row], text: str, kind: Kind) -> None:
    found = judge(ProgramEnd(1, f"Pushing /nix/store/{NAME}\n{text}\n"), program, table)
    assert found is not None
    assert found.kind is kind
    assert found.outcome.transient is (kind is Kind.TRANSIENT)
    assert found.reason.startswith(program)


@pytest.mark.parametrize("table", [CACHIX_MESSAGES, ATTIC_MESSAGES])
@pytest.mark.parametrize(
    "name", ["unauthorized", "http-500-tools", "NoSuchCache", "no-space-left-on-device", "is-not-valid"]
)
def test_names_of_paths_prove_nothing(table: Sequence[Row], name: str) -> None:
    end = ProgramEnd(1, f"Pushing /nix/store/{'a' * 32}-{name}\nstrange\n")
    found = judge(end, "it", table)
    assert found is not None
    assert found.kind is Kind.TRANSIENT
    assert found.reason == "it failed with status 1 (strange)"


def test_an_end_that_is_well_or_forced() -> None:
    assert judge(ProgramEnd(0, "statusCode = 500"), "it", CACHIX_MESSAGES) is None
    forced = judge(ProgramEnd(-15, "Unauthorized"), "it", ATTIC_MESSAGES)
    assert forced is not None
    assert (forced.kind, forced.reason) == (Kind.TRANSIENT, "it was ended by signal 15 (Unauthorized)")


def test_what_is_quoted_is_short_and_plain() -> None:
    found = judge(ProgramEnd(1, f"\x1b[31mError: Unauthorized {'x' * 1000}\x1b[0m\x07\n"), "it", ATTIC_MESSAGES)
    assert found is not None
    assert len(found.reason) < 300
    assert found.reason.isprintable()


def test_what_attic_says_of_single_paths() -> None:
    other = f"{'b' * 32}-other"
    output = (
        f"⚙️ Pushing 2 paths\n✅ {'c' * 32}-fine (1 B/s)\n❌ {NAME}: RequestError: x: y\n\x1b[1m❌ {other}: HTTP 500\n"
    )
    assert told_paths(output) == {NAME: "RequestError: x: y", other: "HTTP 500"}


WARNING = f"\x1b[33mWarning: /nix/store/{NAME} is not valid, skipping\x1b[0m\n".encode()


@given(cuts=st.lists(st.integers(0, len(WARNING)), max_size=5))
def test_paths_that_cachix_leaves_out_are_found_however_it_is_cut(cuts: list[int]) -> None:
    written: list[bytes] = []
    listening = SkippedPaths(written.append)
    places = [0, *sorted(cuts), len(WARNING)]
    for start, end in pairwise(places):
        listening.write(WARNING[start:end])
    here, other = StorePath(f"/nix/store/{NAME}"), StorePath(f"/nix/store/{'b' * 32}-other")
    assert listening.found([here, other]) == {here}
    assert b"".join(written) == WARNING


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"Warning: /nix/store/{NAME}: error: cannot open connection, skipping", True),
        (f"Pushing /nix/store/{NAME} (120.00 B)", False),
        (f"Warning: /nix/store/{'b' * 32}-other is not valid, skipping", False),
    ],
)
def test_other_warnings(line: str, found: bool) -> None:  # noqa: FBT001 - a row of the table
    listening = SkippedPaths(lambda _: None)
    listening.write(f"{line}\n".encode())
    assert bool(listening.found([StorePath(f"/nix/store/{NAME}")])) is found


def test_the_token_is_in_the_configuration_as_it_is() -> None:
    destination = parse_destination("central:mine", "https://attic.example.com/below", where="x")
    written = 'quote " backslash \\ hash # ü \x7f'
    loaded = tomllib.loads(configuration(destination, Secret(written)))
    assert loaded["servers"]["central"] == {"endpoint": "https://attic.example.com/below/", "token": written}
