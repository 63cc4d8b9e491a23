"""How a fault is told: what and where in one line, then what to do."""

from __future__ import annotations

import tempfile
import traceback

from ekaci_core.model.errors import EkaciError
from ekaci_core.telemetry import REDACTOR


def tell(fault: EkaciError) -> str:
    """Return the text for a terminal, without a final newline; secrets are masked."""
    lines = [f"ekaci: {fault}"]
    if fault.do:
        lines.append(f"  {fault.do}")
    return REDACTOR.text("\n".join(lines))


def tell_defect(error: BaseException) -> str:
    """Return the text for a defect of the program, and keep its traceback in a file for whoever mends it.

    Secrets are masked in both.
    """
    kept = REDACTOR.text("".join(traceback.format_exception(error)))
    try:
        with tempfile.NamedTemporaryFile("w", prefix="ekaci-defect-", suffix=".txt", delete=False) as file:
            file.write(kept)
    except OSError:
        return f"ekaci: a defect of EkaCI, not of the change\n{kept}"
    said = REDACTOR.text(traceback.format_exception_only(error)[-1].strip())
    return f"ekaci: a defect of EkaCI, not of the change: {said}\n  please report it with {file.name}"


def only_fault(group: BaseExceptionGroup[BaseException]) -> EkaciError | None:
    """Return the first fault of a group that holds nothing but faults: task groups wrap whatever passes through."""
    first: EkaciError | None = None
    for error in group.exceptions:
        fault = only_fault(error) if isinstance(error, BaseExceptionGroup) else error
        if not isinstance(fault, EkaciError):
            return None
        first = first or fault
    return first
