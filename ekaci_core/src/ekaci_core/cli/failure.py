"""How a fault is told: what and where in one line, then what to do."""

from __future__ import annotations

import sys
from typing import NoReturn

from ekaci_core.model.errors import EkaciError


def tell(fault: EkaciError) -> str:
    """Return the text for a terminal, without a final newline."""
    lines = [f"ekaci: {fault}"]
    if fault.do:
        lines.append(f"  {fault.do}")
    return "\n".join(lines)


def only_fault(group: BaseExceptionGroup[BaseException]) -> EkaciError | None:
    """Return the first fault of a group that holds nothing but faults: task groups wrap whatever passes through."""
    first: EkaciError | None = None
    for error in group.exceptions:
        fault = only_fault(error) if isinstance(error, BaseExceptionGroup) else error
        if not isinstance(fault, EkaciError):
            return None
        first = first or fault
    return first


def exit_with(fault: EkaciError) -> NoReturn:
    """Print the fault to standard error and exit with its status."""
    print(tell(fault), file=sys.stderr)
    sys.exit(fault.exit_status)
