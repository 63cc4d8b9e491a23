"""What people can tell us in a comment on a pull request.

A command is a line that begins with ``@eka-ci``, ``/ekaci`` or ``/eka-ci``, followed by a verb; upper and lower case
are the same. The first line that is a command counts. A mention in the middle of a line is talk, and so is one in a
quotation or in a block of code. What follows the command is ignored.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

LONGEST_BODY: Final = 65_536
"""Characters of a comment that are looked at; GitHub allows no more."""

_MENTION: Final = re.compile(r"(?:@eka-ci|/eka-?ci)", re.IGNORECASE | re.ASCII)
_SHA: Final = re.compile(r"[0-9a-f]{7,64}", re.IGNORECASE | re.ASCII)
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")


@attrs.frozen
class Approve:
    """``approve [SHA]``: let the head commit be built. ``sha`` is the beginning of the commit that is meant."""

    sha: str = ""


@attrs.frozen
class Retry:
    """``retry``, ``rebuild`` or ``rerun``: make the review of the head commit again."""


CommentCommand = Approve | Retry

_RETRY: Final = frozenset({"retry", "rebuild", "rerun"})


def parse_comment(body: str) -> CommentCommand | None:
    """Return the first command in a comment, None where there is none."""
    fence = ""
    for line in body[:LONGEST_BODY].splitlines():
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence and (command := _command(line.split())):
            return command
    return None


def _command(words: list[str]) -> CommentCommand | None:
    if len(words) < 2 or not _MENTION.fullmatch(words[0]):  # noqa: PLR2004 - a mention and a verb
        return None
    verb = words[1].lower()
    if verb == "approve":
        given = words[2] if len(words) > 2 else ""  # noqa: PLR2004
        return Approve(given.lower() if _SHA.fullmatch(given) else "")
    return Retry() if verb in _RETRY else None
