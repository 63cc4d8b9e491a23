"""Child processes: each in a session of its own, bounded in what it writes, always stopped and reaped."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import anyio
import attrs

from ekaci_core.process.faults import ChildTimedOut, InputClosed
from ekaci_core.process.lines import LINE_BYTES
from ekaci_core.process.output import OutputStream
from ekaci_core.process.sessions import kill_sessions, process_table, sessions_below
from ekaci_core.process.spawn import spawn

GRACE_SECONDS: Final = 2.0
"""Between SIGTERM and SIGKILL."""

STDERR_TAIL_BYTES: Final = 64 * 1024

# A process in uninterruptible sleep (a dead network file system) does not even die of SIGKILL.
_KILL_PATIENCE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02


class Child:
    """A running program. ``pid`` is also its process group and its session."""

    def __init__(self, process: subprocess.Popen[bytes], program: str, max_output: int | None, line_bytes: int) -> None:
        assert process.stdout is not None  # noqa: S101 - spawn always pipes it
        self.pid = process.pid
        self.program = program
        self.stdout = OutputStream(process.stdout.fileno(), program, max_bytes=max_output, line_bytes=line_bytes)
        self.stderr: OutputStream | None = None
        if process.stderr is not None:
            self.stderr = OutputStream(process.stderr.fileno(), program, max_bytes=None, line_bytes=line_bytes)
        self._process = process
        self._status: int | None = None
        self._exited = anyio.Event()
        self._drained = anyio.Event()
        self._tail = bytearray()
        self._watching = anyio.CancelScope(shield=True)
        self._draining = anyio.CancelScope(shield=True)

    @property
    def status(self) -> int | None:
        """The exit status, the negated signal number where a signal ended it, None while it runs."""
        return self._status

    async def wait(self) -> int:
        """Wait for the program itself to exit, whoever still holds its pipes, and return `status`."""
        await self._exited.wait()
        assert self._status is not None  # noqa: S101 - set before the event
        return self._status

    async def send(self, data: bytes) -> None:
        """Write to its stdin, which must be ``pipe``, and wait until the pipe took it all.

        Raises:
            InputClosed: it does not read any more.
        """
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise InputClosed(self.program)
        rest = memoryview(data)
        while rest:
            await anyio.wait_writable(stdin.fileno())
            try:
                rest = rest[os.write(stdin.fileno(), rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise InputClosed(self.program) from None

    def close_stdin(self) -> None:
        """Let it read the end of its input."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def stderr_tail(self) -> str:
        """Return the last of what it wrote to stderr, once that has ended. Only where ``stderr`` is ``tail``."""
        await self._drained.wait()
        return self._tail[-STDERR_TAIL_BYTES:].decode(errors="replace")

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the program and all that it started in its process group."""
        if self._process.returncode is None:  # until it is reaped, the group's number is its own
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                return  # all of the group have exited, or changed their user

    async def watch(self) -> None:
        """Wait for the exit and tell everybody, also while we are being cancelled, until `stop` is done."""
        with self._watching:
            while (status := _exit_status(self.pid)) is None:
                await _exit_or_moment(self.pid)
            self._status = status
            self._exited.set()
            for stream in (self.stdout, self.stderr):
                if stream is not None:
                    stream.writer_exited()

    async def feed(self, data: bytes) -> None:
        """Send all its input and end it; what it does not want to read is dropped."""
        try:
            await self.send(data)
        except InputClosed:
            return
        finally:
            self.close_stdin()

    async def drain_stderr(self) -> None:
        """Read stderr to its end and keep the tail, also while we are being cancelled, until `stop` is done."""
        assert self.stderr is not None  # noqa: S101 - asked for only where it is piped
        try:
            with self._draining:
                async for chunk in self.stderr.chunks():
                    self._tail += chunk
                    if len(self._tail) > 2 * STDERR_TAIL_BYTES:
                        del self._tail[:-STDERR_TAIL_BYTES]
        finally:
            self._drained.set()

    async def stop(self, grace_seconds: float, unread: Iterable[OutputStream]) -> None:
        """End the whole group, politely first, and reap the program; cancellation waits until that is done.

        Meanwhile what comes on the ``unread`` streams is dropped: a program that is stuck in writing does not end.
        """
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as discarding:
                for stream in unread:
                    discarding.start_soon(stream.discard)
                await self._end(grace_seconds)
                discarding.cancel_scope.cancel()
        self._watching.cancel()
        self._draining.cancel()
        self._process.poll()

    async def _end(self, grace_seconds: float) -> None:
        # Nix gives every builder a session of its own; a polite end ends them too, a forced one must see to it.
        sessions: dict[int, int | None] = {}
        if self._status is None:
            sessions = sessions_below(self.pid, process_table())
            self.signal_group(signal.SIGTERM)
            with anyio.move_on_after(grace_seconds):
                await self._exited.wait()
        if self._status is None:
            sessions |= sessions_below(self.pid, process_table())
        self.signal_group(signal.SIGKILL)
        kill_sessions(sessions)
        with anyio.move_on_after(_KILL_PATIENCE_SECONDS):
            await self._exited.wait()

    def close(self) -> None:
        """Close our ends of the pipes."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _exit_status(pid: int) -> int | None:
    # The child stays a zombie until `stop`, so that its number is not given to another process while we signal it.
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


async def _exit_or_moment(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, AttributeError):  # a kernel or system without them
        await anyio.sleep(_POLL_SECONDS)
        return
    try:
        await anyio.wait_readable(descriptor)
    finally:
        os.close(descriptor)


_STDERR: Final = {
    "tail": subprocess.PIPE,
    "pipe": subprocess.PIPE,
    "merge": subprocess.STDOUT,
    "null": subprocess.DEVNULL,
}


@asynccontextmanager
async def running(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes | Literal["null", "pipe"] = "null",
    stderr: Literal["tail", "pipe", "merge", "null"] = "tail",
    line_bytes: int = LINE_BYTES,
    max_output_bytes: int | None = None,
    timeout_seconds: float | None = None,
    grace_seconds: float = GRACE_SECONDS,
    die_with_parent: bool = True,
    inherited: Sequence[int] = (),
) -> AsyncIterator[Child]:
    """Run a program for as long as the context is open.

    Leaving, also by an exception or cancellation, sends SIGTERM to its process group, waits ``grace_seconds``, sends
    SIGKILL to what is left, sessions that its descendants opened included, and reaps it. Who wants it to finish
    reads to the end and awaits `Child.wait` first. What it writes while it is being stopped is read and dropped.

    Args:
        argv: the program, looked up on the PATH of ``env``, and its arguments.
        env: its whole environment.
        cwd: its working directory; None for ours.
        stdin: ``null``, ``pipe`` for `Child.send`, or all its input.
        stderr: ``tail`` reads it in the background for `Child.stderr_tail`, ``pipe`` gives `Child.stderr`, which
            must then be read, ``merge`` puts it into stdout.
        line_bytes: longer lines are cut.
        max_output_bytes: bound of all stdout.
        timeout_seconds: deadline for the whole context.
        grace_seconds: see above.
        die_with_parent: have the system send it SIGTERM when we are killed, where the system can.
        inherited: open descriptors of ours that it has, too.

    Raises:
        ProgramMissing: there is no such program.
        InfrastructureFault: the system refused to start it.
        ChildTimedOut: the deadline passed; the body was cancelled.
    """
    process = spawn(
        argv,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL if stdin == "null" else subprocess.PIPE,
        stderr=_STDERR[stderr],
        die_with_parent=die_with_parent,
        inherited=inherited,
    )
    child = Child(process, argv[0], max_output_bytes, line_bytes)
    failure: Exception | None = None
    with anyio.CancelScope() as scope:
        if timeout_seconds is not None:
            scope.deadline = anyio.current_time() + timeout_seconds
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(child.watch)
                if stderr == "tail":
                    tasks.start_soon(child.drain_stderr)
                if isinstance(stdin, bytes):
                    tasks.start_soon(child.feed, stdin)
                try:
                    yield child
                except Exception as raised:  # noqa: BLE001 - carried around the task group, which would wrap it
                    failure = raised
                finally:
                    await child.stop(grace_seconds, _unread(child, stderr))
                    tasks.cancel_scope.cancel()
        finally:
            child.close()
    if failure is not None:
        raise failure
    if scope.cancelled_caught and timeout_seconds is not None:
        raise ChildTimedOut(argv[0], timeout_seconds)


def _unread(child: Child, stderr: str) -> list[OutputStream]:
    return [child.stdout] if child.stderr is None or stderr == "tail" else [child.stdout, child.stderr]


@attrs.frozen
class Completed:
    """A program that ran to its end. ``status`` is negative where a signal ended it; ``stderr`` is its tail."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """All of stdout, with U+FFFD for what is not UTF-8."""
        return self.stdout.decode(errors="replace")


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes | None = None,
    timeout_seconds: float | None = 60,
    max_output_bytes: int = 64 * 1024 * 1024,
    die_with_parent: bool = False,
) -> Completed:
    """Run a short command to its end and return what it wrote, whatever its status.

    Raises:
        ProgramMissing, InfrastructureFault, ChildTimedOut: as `running`.
        OutputTooLarge: it wrote more than ``max_output_bytes`` to stdout, and was stopped.
    """
    async with running(
        argv,
        env=env,
        cwd=cwd,
        stdin="null" if stdin is None else stdin,
        timeout_seconds=timeout_seconds,
        max_output_bytes=max_output_bytes,
        die_with_parent=die_with_parent,
    ) as child:
        chunks = [chunk async for chunk in child.stdout.chunks()]
        status = await child.wait()
        return Completed(status=status, stdout=b"".join(chunks), stderr=await child.stderr_tail())
    raise AssertionError("unreachable: the context never swallows an exception")
