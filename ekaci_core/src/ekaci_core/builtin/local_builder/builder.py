"""The local builder: each attempt is one ``nix-store --realise`` in a process group of its own."""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping
from typing import Final

import anyio
import attrs

from ekaci_core.api import (
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    BuildState,
    InfrastructureFault,
    InLocalStore,
    System,
    TransientKind,
)
from ekaci_core.builtin.local_builder.attempt import Attempt
from ekaci_core.builtin.local_builder.command import build_command
from ekaci_core.builtin.local_builder.memory import Counter, find_counters, moved_since, read_counters
from ekaci_core.builtin.local_builder.strays import end_strays
from ekaci_core.logs import LOG_BYTES, BuildLog, tail
from ekaci_core.nix.build_errors import Evidence, classify
from ekaci_core.nix.internal_json import parse_line
from ekaci_core.process.running import Child, running

# Nix ends its builder at once, but then deletes what may be gigabytes of a half-finished build.
_GRACE_SECONDS: Final = 30.0
_LINES_OF_EVIDENCE: Final = 50


@attrs.frozen
class LocalBuilder(InLocalStore):
    """Builds in the store of this machine, through its daemon or, as root, without.

    ``counters`` count the out-of-memory kills that builds of this store can be among.
    """

    name: str
    systems: frozenset[System]
    features: frozenset[str]
    slots: int
    environment: Mapping[str, str]
    counters: tuple[Counter, ...] = attrs.field(factory=find_counters)
    log_bytes: int = LOG_BYTES

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make one attempt."""
        try:
            if request.gc_root is not None:
                request.gc_root.parent.mkdir(parents=True, exist_ok=True)
            with BuildLog(request.log, limit=self.log_bytes) as log:
                ending = await self._attempt(request, log)
        except InfrastructureFault as fault:
            return BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            what = "no space left for the build's log" if full else f"cannot write the build's log: {error.strerror}"
            passing = TransientKind.DISK if full else None
            return BuildInterrupted(
                BuildState.PROCESS_DEATH, f"{what}: {request.log}", infrastructure=True, transient=passing
            )
        if isinstance(ending, BuildInterrupted):
            return ending
        if ending.status > 0 and (ending.memory or ending.fixed_output):  # the log is whole only once it is closed
            ending = attrs.evolve(ending, log_tail=tail(request.log, _LINES_OF_EVIDENCE))
        return classify(ending)

    async def _attempt(self, request: BuildRequest, log: BuildLog) -> Evidence | BuildInterrupted:
        attempt = Attempt(request.derivation.path, request.on_phase)
        kills = read_counters(self.counters)
        async with running(
            build_command(request),
            env=self.environment,
            stderr="pipe",
            grace_seconds=_GRACE_SECONDS,
        ) as child:
            with anyio.move_on_after(request.max_duration_seconds) as whole:
                silent = await _follow(child, attempt, log, request.no_output_timeout_seconds)
                if silent:
                    return _timeout(log, f"no output for {request.no_output_timeout_seconds:g} seconds")
                status = await child.wait()
            if whole.cancelled_caught:
                return _timeout(log, f"not finished after {request.max_duration_seconds:g} seconds")
        if status < 0:
            await end_strays(request.derivation.outputs)
        return Evidence(
            status=status,
            errors=attempt.errors,
            began=attempt.began,
            fixed_output=any(output.is_fixed for output in request.derivation.outputs),
            memory=moved_since(kills),
        )


async def _follow(child: Child, attempt: Attempt, log: BuildLog, silence_seconds: float) -> bool:
    """Write the log until it ends; True where it was silent for too long."""
    assert child.stderr is not None  # noqa: S101 - asked for as a pipe
    with anyio.CancelScope() as silence:
        silence.deadline = anyio.current_time() + silence_seconds
        async for batch in child.stderr.batches():
            if added := attempt.take(map(parse_line, batch)):
                log.write(added)
            # Who waits for a lock is silent without being stuck: the other build has timeouts of its own.
            silence.deadline = math.inf if attempt.is_waiting else anyio.current_time() + silence_seconds
    return silence.cancelled_caught


def _timeout(log: BuildLog, reason: str) -> BuildInterrupted:
    log.write(f"[stopped: {reason}]\n".encode())
    return BuildInterrupted(BuildState.TIMEOUT, reason)
