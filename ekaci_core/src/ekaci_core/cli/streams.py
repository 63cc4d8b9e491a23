"""Standard output and error as they are in the field: closed, full, or unable to print an arrow."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from ekaci_core.model.errors import InfrastructureFault

_BROKEN_PIPE_STATUS = 141  # as if SIGPIPE had ended us


def forgiving(*streams: TextIO | None) -> None:
    """Let streams print what their encoding lacks in an escaped form."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write a line to standard error, where that can be written."""
    if sys.stderr is None:
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _abandon(sys.stderr)


def write_out(text: str) -> None:
    """Write to standard output, with a newline at the end.

    Raises:
        InfrastructureFault: it is closed or full.
        SystemExit: whoever read it has gone.
    """
    with _standard_output() as stream:
        stream.write(text if text.endswith("\n") else text + "\n")


def write_bytes(data: bytes) -> None:
    """Write to standard output, as it is.

    Raises:
        InfrastructureFault: it is closed or full.
        SystemExit: whoever read it has gone.
    """
    with _standard_output() as stream:
        stream.buffer.write(data)


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    if sys.stdout is None:
        raise InfrastructureFault("standard output is closed", do="give it a place, or a file with --output")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon(sys.stdout)
        raise SystemExit(_BROKEN_PIPE_STATUS) from None
    except OSError as error:
        _abandon(sys.stdout)
        raise InfrastructureFault(
            f"standard output cannot be written: {error.strerror}", do="give another place, or a file with --output"
        ) from error


def _abandon(stream: TextIO) -> None:
    """Point the stream nowhere: Python would try to write the rest of it when it ends, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
