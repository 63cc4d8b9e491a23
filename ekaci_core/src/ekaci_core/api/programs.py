"""Programs as plugins run them: with nothing of the server's environment but what they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.secret import Secret

WriteLog = Callable[[bytes], None]
"""Appends to a log, which masks secrets and is bounded. Raises `InfrastructureFault` where it cannot be written."""


@attrs.frozen
class ProgramEnd:
    """A program that ran to its end.

    ``status`` is negative where a signal ended it; ``output`` is the tail of what it wrote to both its streams, with
    secrets of this process masked.
    """

    status: int
    output: str


class Programs(Protocol):
    """Runs programs: each in a process group of its own, stopped and reaped also on cancellation."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret],
        stdin: bytes = b"",
        folder: Path | None = None,
        log: WriteLog | None = None,
    ) -> ProgramEnd:
        """Run a program to its end.

        Args:
            argv: the program, looked up on the ``PATH`` of ``environment``, and its arguments. Never a secret: anybody
                on the machine reads them.
            environment: its whole environment.
            stdin: all its input.
            folder: its working directory; None for that of the server.
            log: takes what it writes to both its streams, as it comes.

        Raises:
            InfrastructureFault: it is missing, or cannot be started; what ``log`` raises.
        """
        ...


class NoPrograms:
    """Where no plugin has reason to run a program."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret],  # noqa: ARG002 - the contract
        stdin: bytes = b"",  # noqa: ARG002
        folder: Path | None = None,  # noqa: ARG002
        log: WriteLog | None = None,  # noqa: ARG002
    ) -> ProgramEnd:
        """Refuse.

        Raises:
            InfrastructureFault: always.
        """
        raise InfrastructureFault("programs are run by the server only", where=argv[0])
