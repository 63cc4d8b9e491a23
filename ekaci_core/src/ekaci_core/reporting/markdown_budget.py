"""What a Markdown report leaves out, and in which order, when it would be too long for a forge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from ekaci_core.reporting.failures import TAIL_LINES

SOFT_LIMIT: Final = 60_000
"""Bytes above which a report leaves things out."""

HARD_LIMIT: Final = 65_535
"""Bytes that GitHub takes at most; what is still longer is cut there."""

_CUT_MARK: Final = "\n\n… cut here\n"
_FEW: Final = 20


@attrs.frozen
class Shown:
    """What a report shows; None is no limit. ``left_out`` names what is missing."""

    maintainers: bool = True
    licences: bool = True
    rebuild_only: bool = True
    table: bool = True
    log_lines: int = TAIL_LINES
    failures: int | None = None
    rows: int | None = None
    left_out: tuple[str, ...] = ()


STEPS: Final[tuple[Shown, ...]] = (
    step := Shown(),
    step := attrs.evolve(step, maintainers=False, left_out=("changes of maintainers",)),
    step := attrs.evolve(step, licences=False, left_out=("changes of maintainers and licences",)),
    step := attrs.evolve(step, rebuild_only=False, left_out=(*step.left_out, "packages that are only rebuilt")),
    step := attrs.evolve(step, table=False, left_out=("the table of changed packages",)),
    step := attrs.evolve(step, log_lines=_FEW // 2, left_out=(*step.left_out, "parts of the logs")),
    step := attrs.evolve(step, log_lines=0, left_out=(*step.left_out[:1], "the logs")),
    step := attrs.evolve(step, failures=_FEW, left_out=(*step.left_out, f"failures after the first {_FEW}")),
    attrs.evolve(step, rows=_FEW, left_out=(*step.left_out, f"rows after the first {_FEW} of each table")),
)
"""From everything to least; each step leaves out what the one before it does, and more."""


def fit(render: Callable[[Shown], str]) -> str:
    """Render with the first step that keeps below the soft limit; cut at the hard one."""
    text = ""
    for shown in STEPS:
        text = render(shown)
        if len(text.encode()) <= SOFT_LIMIT:
            return text
    return cut(text)


def cut(text: str, limit: int = HARD_LIMIT) -> str:
    """Cut to so many bytes of UTF-8, mark included, never within a character."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    return raw[: limit - len(_CUT_MARK.encode())].decode(errors="ignore") + _CUT_MARK
