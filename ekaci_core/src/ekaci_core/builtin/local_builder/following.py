"""Follows one attempt while it runs: writes its log, tells its phases, and ends it where it is silent for too long."""

from __future__ import annotations

import errno
import math
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

import anyio
import attrs

from ekaci_core.api import BuildInterrupted, BuildRequest, BuildState, Realised, TransientKind
from ekaci_core.builtin.local_builder.attempt import Attempt
from ekaci_core.logs import BuildLog, tail
from ekaci_core.nix.build_errors import Evidence, classify, without_log, without_names
from ekaci_core.nix.internal_json import Record

_LINES_OF_EVIDENCE: Final = 50

Ending = Evidence | BuildInterrupted
"""How an attempt ended: with evidence to be judged, or without."""


class Following:
    """Takes what is heard of an attempt."""

    def __init__(self, log: BuildLog, request: BuildRequest, *, relayed_errors: bool = False) -> None:
        self.attempt = Attempt(request.derivation.path, request.on_phase, relayed_errors=relayed_errors)
        self._log = log
        self._silence_seconds = request.no_output_timeout_seconds
        self._silence = anyio.CancelScope()
        self._failure: OSError | None = None

    @property
    def errors(self) -> tuple[str, ...]:
        """Nix's errors without what a build has chosen."""
        return tuple(without_names(without_log(error)) for error in self.attempt.errors)

    async def until_silent(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do the work that hears of the attempt; True where it was silent for too long, and the work cancelled.

        Raises:
            OSError: the log could not be written.
        """
        with self._silence:
            self.heard()
            await work()
        if self._failure is not None:
            raise self._failure
        return self._silence.cancelled_caught

    def take(self, records: Iterable[Record | None]) -> None:
        """Follow some records."""
        if added := self.attempt.take(records):
            self.write(added)
        self.heard()

    def write(self, data: bytes) -> None:
        """Add to the log."""
        try:
            self._log.write(data)
        except OSError as error:  # carried around the task group, which would wrap it
            self._failure = error
            self._silence.cancel()

    def heard(self) -> None:
        """Note a sign of life."""
        # Who waits for a lock is silent without being stuck: the other build has timeouts of its own.
        waiting = self.attempt.is_waiting
        self._silence.deadline = math.inf if waiting else anyio.current_time() + self._silence_seconds


def silent(log: BuildLog, request: BuildRequest) -> BuildInterrupted:
    """Say in the log that an attempt was ended because it was silent, and return that."""
    return _timeout(log, f"no output for {request.no_output_timeout_seconds:g} seconds")


def too_long(log: BuildLog, request: BuildRequest) -> BuildInterrupted:
    """Say in the log that an attempt was ended because it took too long, and return that."""
    return _timeout(log, f"not finished after {request.max_duration_seconds:g} seconds")


def judged(ending: Ending, request: BuildRequest, following: Following, aside: Iterable[str] = ()) -> Realised:
    """Say what an attempt came to. The log is closed by now, and whole."""
    if isinstance(ending, Evidence) and ending.status > 0 and (ending.memory or ending.fixed_output):
        ending = attrs.evolve(ending, log_tail=tail(request.log, _LINES_OF_EVIDENCE))
    outcome = ending if isinstance(ending, BuildInterrupted) else classify(ending)
    return Realised(outcome, following.errors, following.attempt.began, tuple(aside))


def log_fault(error: OSError, path: Path) -> BuildInterrupted:
    """Describe that the log could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "no space left for the build's log" if full else f"cannot write the build's log: {error.strerror}"
    passing = TransientKind.DISK if full else None
    return BuildInterrupted(BuildState.PROCESS_DEATH, f"{what}: {path}", infrastructure=True, transient=passing)


def _timeout(log: BuildLog, reason: str) -> BuildInterrupted:
    log.write(f"[stopped: {reason}]\n".encode())
    return BuildInterrupted(BuildState.TIMEOUT, reason)
