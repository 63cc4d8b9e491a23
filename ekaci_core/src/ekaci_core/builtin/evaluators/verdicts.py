"""What the end of a worker means for the attribute that it was at. Pure."""

from __future__ import annotations

import re
import signal
from typing import Final

from ekaci_core.builtin.evaluators.worker import Stopped
from ekaci_core.model.evaluation import FaultKind
from ekaci_core.nix.eval_errors import strip_colours

_STACK: Final = re.compile(r"stack overflow")
_MEMORY: Final = re.compile(r"bad_alloc|out of memory|Out of Memory|Cannot allocate memory")


def sentence_of(  # noqa: PLR0911 - a list of cases
    stopped: Stopped | None, status: int, text: str, *, alone: bool, memory_mib: int, timeout_seconds: float | None
) -> tuple[FaultKind, str] | None:
    """Return kind and message of the fault, or None if the attribute deserves another try, alone in a fresh worker.

    A time limit and an overflown stack do not depend on what the worker did before, so they need no second try.
    """
    said = strip_colours(text).strip()
    if stopped is Stopped.TIMEOUT:
        return FaultKind.TIMEOUT, f"error: the evaluation took longer than {timeout_seconds:g} seconds"
    if stopped is None and _STACK.search(said):
        return FaultKind.STACK_OVERFLOW, _error_line(said, _STACK)
    if not alone:
        return None
    if stopped is Stopped.MEMORY:
        return FaultKind.OUT_OF_MEMORY, f"error: the evaluation needs more than {memory_mib} MiB of memory"
    if status == -signal.SIGKILL:
        return FaultKind.OUT_OF_MEMORY, "error: the evaluator was killed, most likely because memory ran out"
    if _MEMORY.search(said):
        return FaultKind.OUT_OF_MEMORY, _error_line(said, _MEMORY)
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return FaultKind.EVALUATOR_DIED, f"error: nix {how}" + (f": {said[-1000:]}" if said else "")


def _error_line(text: str, pattern: re.Pattern[str]) -> str:
    line = next(line for line in text.splitlines() if pattern.search(line))
    return line if line.startswith("error:") else f"error: {line}"
