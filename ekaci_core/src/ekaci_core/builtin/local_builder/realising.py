"""One attempt: a ``nix-store --realise`` in a process group of its own, its log, its timeouts and what it came to."""

from __future__ import annotations

import errno
import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import attrs

from ekaci_core.api import BuildInterrupted, BuildRequest, BuildState, InfrastructureFault, Realised, TransientKind
from ekaci_core.builtin.local_builder.attempt import Attempt
from ekaci_core.builtin.local_builder.memory import Counter, moved_since, read_counters
from ekaci_core.builtin.local_builder.strays import end_strays
from ekaci_core.logs import LOG_BYTES, BuildLog, tail
from ekaci_core.nix.build_errors import Evidence, classify, without_log, without_names
from ekaci_core.nix.internal_json import parse_line
from ekaci_core.process.lines import Line
from ekaci_core.process.output import OutputStream
from ekaci_core.process.plain import plain
from ekaci_core.process.running import Child, running

# Nix ends its builder at once, but then deletes what may be gigabytes of a half-finished build.
_GRACE_SECONDS: Final = 30.0
_LINES_OF_EVIDENCE: Final = 50
_KEPT_ASIDE: Final = 10
_WITH_SIDE_CHANNEL: Final = ("/bin/sh", "-c", 'exec "$@" 3>&1 >/dev/null', "sh")


@attrs.frozen
class Realising:
    """How to make an attempt.

    Attributes:
        request: what to build.
        command: the whole command.
        environment: its whole environment.
        side_channel: whether it gets descriptor 3, on which its own children write past Nix.
        side_is_log: whether what they write there belongs into the log.
        relayed_errors: whether grave messages count as Nix's own errors although they came through a helper.
        is_here: whether this machine builds, so that its processes say something of the build.
        counters: of out-of-memory kills that the build can be among; none where another machine builds.
        log_bytes: how large the log may get.
    """

    request: BuildRequest
    command: Sequence[str]
    environment: Mapping[str, str]
    side_channel: bool = False
    side_is_log: bool = False
    relayed_errors: bool = False
    is_here: bool = True
    counters: tuple[Counter, ...] = ()
    log_bytes: int = LOG_BYTES

    async def run(self) -> Realised:
        """Make it; faults of programs and files are outcomes."""
        try:
            if self.request.gc_root is not None:
                self.request.gc_root.parent.mkdir(parents=True, exist_ok=True)
            with BuildLog(self.request.log, limit=self.log_bytes) as log:
                ending, following = await self._attempt(log)
        except InfrastructureFault as fault:
            return Realised(BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True))
        except OSError as error:
            return Realised(_log_fault(error, self.request.log))
        if isinstance(ending, Evidence) and ending.status > 0 and (ending.memory or ending.fixed_output):
            # The log is whole only once it is closed.
            ending = attrs.evolve(ending, log_tail=tail(self.request.log, _LINES_OF_EVIDENCE))
        outcome = ending if isinstance(ending, BuildInterrupted) else classify(ending)
        return Realised(outcome, following.errors, following.attempt.began, tuple(following.aside))

    async def _attempt(self, log: BuildLog) -> tuple[Evidence | BuildInterrupted, _Following]:
        request = self.request
        following = _Following(log, request, side_is_log=self.side_is_log, relayed_errors=self.relayed_errors)
        kills = read_counters(self.counters)
        command = [*(_WITH_SIDE_CHANNEL if self.side_channel else ()), *self.command]
        async with running(command, env=self.environment, stderr="pipe", grace_seconds=_GRACE_SECONDS) as child:
            with anyio.move_on_after(request.max_duration_seconds) as whole:
                if await following.follow(child, side_channel=self.side_channel):
                    return _timeout(log, f"no output for {request.no_output_timeout_seconds:g} seconds"), following
                status = await child.wait()
            if whole.cancelled_caught:
                return _timeout(log, f"not finished after {request.max_duration_seconds:g} seconds"), following
        if status < 0 and self.is_here:
            await end_strays(request.derivation.outputs)
        evidence = Evidence(
            status=status,
            errors=following.attempt.errors,
            began=following.attempt.began,
            remote=not self.is_here,
            fixed_output=any(output.is_fixed for output in request.derivation.outputs),
            memory=moved_since(kills),
        )
        return evidence, following


class _Following:
    """Reads what an attempt prints until it ends, and writes the log."""

    def __init__(self, log: BuildLog, request: BuildRequest, *, side_is_log: bool, relayed_errors: bool) -> None:
        self.attempt = Attempt(request.derivation.path, request.on_phase, relayed_errors=relayed_errors)
        self.aside: deque[str] = deque(maxlen=_KEPT_ASIDE)
        self._log = log
        self._side_is_log = side_is_log
        self._silence_seconds = request.no_output_timeout_seconds
        self._silence = anyio.CancelScope()
        self._failure: OSError | None = None

    @property
    def errors(self) -> tuple[str, ...]:
        """Nix's errors without what a build has chosen."""
        return tuple(without_names(without_log(error)) for error in self.attempt.errors)

    async def follow(self, child: Child, *, side_channel: bool) -> bool:
        """Write the log; True where it was silent for too long."""
        assert child.stderr is not None  # noqa: S101 - asked for as a pipe
        with self._silence:
            self._heard()
            async with anyio.create_task_group() as tasks:
                if side_channel:
                    tasks.start_soon(self._side, child.stdout)
                await self._records(child.stderr)
        if self._failure is not None:
            raise self._failure
        return self._silence.cancelled_caught and self._failure is None

    async def _records(self, stream: OutputStream) -> None:
        async for batch in stream.batches():
            if added := self.attempt.take(map(parse_line, batch)):
                self._write(added)
            self._heard()

    async def _side(self, stream: OutputStream) -> None:
        async for batch in stream.batches():
            if self._side_is_log:
                self._write(b"".join(map(_logged, batch)))
            else:
                self.aside.extend(plain(line.text) for line in batch)
            self._heard()

    def _write(self, data: bytes) -> None:
        try:
            self._log.write(data)
        except OSError as error:  # carried around the task group, which would wrap it
            self._failure = error
            self._silence.cancel()

    def _heard(self) -> None:
        # Who waits for a lock is silent without being stuck: the other build has timeouts of its own.
        waiting = self.attempt.is_waiting
        self._silence.deadline = math.inf if waiting else anyio.current_time() + self._silence_seconds


def _logged(line: Line) -> bytes:
    cut = " [the rest of this line was too long to keep]" if line.cut else ""
    return f"{line.text}{cut}\n".encode(errors="replace")


def _log_fault(error: OSError, path: Path) -> BuildInterrupted:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "no space left for the build's log" if full else f"cannot write the build's log: {error.strerror}"
    passing = TransientKind.DISK if full else None
    return BuildInterrupted(BuildState.PROCESS_DEATH, f"{what}: {path}", infrastructure=True, transient=passing)


def _timeout(log: BuildLog, reason: str) -> BuildInterrupted:
    log.write(f"[stopped: {reason}]\n".encode())
    return BuildInterrupted(BuildState.TIMEOUT, reason)
