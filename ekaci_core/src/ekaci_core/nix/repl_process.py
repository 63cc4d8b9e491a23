"""A running ``nix repl``, driven through pipes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from ekaci_core.nix.repl import Done, Record, ReplDialogue, ReplEvent
from ekaci_core.process import Child, InputClosed, OutputStream, running

_LINE_BYTES: Final = 256 * 1024 * 1024

# A repl writes line by line. Waking up for each would cost more than all that is done with it.
_COLLECT_SECONDS: Final = 0.003
_COMMAND: Final = ("nix", "--extra-experimental-features", "nix-command flakes", "repl")


class Repl:
    """One ``nix repl``. One task may send while another receives."""

    def __init__(self, child: Child, stderr: OutputStream) -> None:
        self.dialogue = ReplDialogue()
        self._child = child
        self._batches = stderr.batches()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._child.pid

    async def begin(self) -> None:
        """Teach it what commands need."""
        await self._send(self.dialogue.opening())

    async def bind(self, name: str, expression: str) -> None:
        """Give a name to an expression; it is evaluated when it is first used."""
        await self._send(self.dialogue.binding(name, expression))

    async def send(self, number: int, expression: str) -> None:
        """Ask to evaluate ``expression``. A repl that died shows in `receive` alone."""
        await self._send(self.dialogue.command(number, expression))

    async def receive(self) -> list[ReplEvent]:
        """Wait for the next events; none once the process has ended."""
        events: list[ReplEvent] = []
        while not events:
            await anyio.sleep(_COLLECT_SECONDS)
            try:
                lines = await anext(self._batches)
            except StopAsyncIteration:
                break
            events.extend(self.dialogue.read(line.text for line in lines))
        return events

    async def ended(self) -> tuple[int, str]:
        """Return how a process that has ended did: its status, and what it said last."""
        return await self._child.wait(), self.dialogue.rest()

    async def ask(self, number: int, expression: str) -> tuple[list[Record], str]:
        """Evaluate ``expression`` and return what it reported, and the text of its error, empty without one.

        For one command at a time. A repl that dies meanwhile counts as an error.
        """
        await self.send(number, expression)
        records: list[Record] = []
        while events := await self.receive():
            for event in events:
                match event:
                    case Record():
                        records.append(event)
                    case Done(text=text):
                        return records, text
                    case _:
                        return records, "error: syntax error, unexpected end of file"
        status, text = await self.ended()
        return records, text or f"error: nix ended with status {status}"

    async def _send(self, data: bytes) -> None:
        try:
            await self._child.send(data)
        except InputClosed:
            return  # its end is seen, with its reason, by who receives


@asynccontextmanager
async def repl(environment: Mapping[str, str], *, home: Path, cwd: Path | None = None) -> AsyncIterator[Repl]:
    """Run a ``nix repl`` for as long as the context is open; leaving kills it and all that it started.

    Args:
        environment: the whole environment.
        home: a directory for the repl's history, which otherwise would mix with the person's own.
        cwd: its working directory.

    Raises:
        ProgramMissing: there is no ``nix``.
        InfrastructureFault: it could not be started.
    """
    own = {"XDG_DATA_HOME": str(home), "INPUTRC": "/dev/null", "EDITRC": "/dev/null", "TERM": "dumb", "NO_COLOR": "1"}
    failure: Exception | None = None
    async with running(
        _silent(_COMMAND),
        env={**environment, **own},
        cwd=cwd,
        stdin="pipe",
        stderr="pipe",
        line_bytes=_LINE_BYTES,
        grace_seconds=0,  # a repl does not end on SIGTERM while it evaluates, and loses nothing
    ) as child:
        assert child.stderr is not None  # noqa: S101 - it was asked for
        try:
            begun = Repl(child, child.stderr)
            await begun.begin()
            yield begun
        except Exception as raised:  # noqa: BLE001 - raised again below
            failure = raised
    if failure is not None:
        raise failure


def _silent(command: Sequence[str]) -> tuple[str, ...]:
    # On stdout it repeats what it is sent, character by character; reading that would only cost time.
    return ("sh", "-c", 'exec "$@" >/dev/null', "sh", *command)
