"""Terminal output as text that is safe to show anywhere."""

from __future__ import annotations

import re
from typing import Final

_SHOWN_CHARACTERS: Final = 2000
# Escape sequences (CSI, OSC with its end, two-character ones), then every other control character but the tab.
_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|\x9b[0-?]*[ -/]*[@-~]"
)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(line: str, longest: int = _SHOWN_CHARACTERS) -> str:
    """Return one line without escape sequences and control characters, cut where it is longer than ``longest``.

    Of a line that was rewritten with carriage returns, the last version stands.
    """
    text = _stripped(line)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def one_line(text: str, longest: int = _SHOWN_CHARACTERS) -> str:
    """Return a text of several lines as one that any log can take: `plain`, and without halves of characters."""
    return plain(" ".join(text.encode(errors="replace").decode().split()), longest)


def plain_end(rest: str) -> str:
    """Return the end of a line of which the beginning is missing, as `plain` does, marked as such."""
    return "…" + _stripped(rest)[1 - _SHOWN_CHARACTERS :]


def _stripped(line: str) -> str:
    last = line.rstrip("\r").rpartition("\r")[2]
    return _CONTROLS.sub("", _ESCAPES.sub("", last))


def plain_text(text: str) -> str:
    """Return several lines, each as `plain` does."""
    return "\n".join(plain(line) for line in text.split("\n"))
