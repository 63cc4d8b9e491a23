"""Asking a running server through its socket."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ekaci_core.cli.tables import format_option
from ekaci_core.config.default_paths import client_socket_places
from ekaci_core.model.errors import EXIT_USAGE, EkaciError, InfrastructureFault, UsageFault

Command = TypeVar("Command", bound=Callable[..., Any])

PATIENCE_SECONDS: Final = 180.0
"""How long an answer may take: longer than the server allows itself."""
LONGEST_ANSWER: Final = 256 * 1024 * 1024
_CHUNK: Final = 1024 * 1024
_START: Final = "start one with `eka-ci-server`, or name its socket with --socket"


def server_options(command: Command) -> Command:
    """Give a command ``--socket``, as ``server``, and the ways to print, as ``form``."""
    where = click.option(
        "-s", "--socket", "server", type=click.Path(path_type=Path), metavar="PATH", help="The server's socket."
    )
    short = click.option("--json", "form", flag_value="json", help="The same as --format json.")
    decorated: Command = where(format_option(short(command)))
    return decorated


def ask(server: Path | None, kind: str, **fields: object) -> Any:
    """Ask a server and return its answer, without the request's name around it.

    Args:
        server: its socket; None for the usual places.
        kind: the type of the request.
        fields: its other keys.

    Raises:
        UsageFault: the server says that it cannot be done as asked.
        InfrastructureFault: no server answers, or it says that a machine is at fault.
    """
    request = json.dumps({"type": kind, **fields}).encode()
    places = [server] if server is not None else list(client_socket_places(os.environ))
    connection, place = _connected(places)
    with connection:
        try:
            answer = _exchanged(connection, request)
        except OSError as error:
            late = isinstance(error, TimeoutError)
            what = f"no answer within {PATIENCE_SECONDS:g} s" if late else f"no answer: {error.strerror or error}"
            raise InfrastructureFault(what, where=str(place), do="see the server's log") from error
    return _understood(answer, kind)


def _connected(places: Sequence[Path]) -> tuple[socket.socket, Path]:
    refused: list[str] = []
    for place in places:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE_SECONDS)
        try:
            connection.connect(str(place))
        except OSError as error:
            connection.close()
            if not isinstance(error, FileNotFoundError):
                refused.append(f"{place}: {_why(error)}")
            continue
        return connection, place
    if refused:
        raise InfrastructureFault(f"no server answers at {'; '.join(refused)}", do=_START)
    raise InfrastructureFault(f"no server runs here: no socket at {', '.join(map(str, places))}", do=_START)


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "left by a server that has ended"
    if isinstance(error, PermissionError):
        return "only its owner and group may use it"
    return error.strerror or str(error)


def _exchanged(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    connection.shutdown(socket.SHUT_WR)
    answer = bytearray()
    while part := connection.recv(_CHUNK):
        answer += part
        if len(answer) > LONGEST_ANSWER:
            raise InfrastructureFault(f"the server's answer is longer than {LONGEST_ANSWER} bytes")
    return bytes(answer)


def _understood(answer: bytes, kind: str) -> Any:
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and len(document) == 1:
        if kind in document:
            return document[kind]
        if isinstance(fault := document.get("Error"), dict):
            raise _fault(fault)
    what = "this is no answer of an EkaCI server" if answer else "the server ended before it answered"
    raise InfrastructureFault(what, do="see its log; client and server should be of the same version")


def _fault(told: dict[str, Any]) -> EkaciError:
    kind = UsageFault if told.get("exit_status") == EXIT_USAGE else InfrastructureFault
    return kind(str(told.get("what")), where=told.get("where"), do=told.get("do"))
