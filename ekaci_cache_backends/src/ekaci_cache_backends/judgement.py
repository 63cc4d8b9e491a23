"""What the end of a cache's own program means: a table of messages for each, read from the top."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Final

import attrs

from ekaci_core.api import ProgramEnd, PushFailed

_SHOWN: Final = 240
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_STORE_NAME: Final = re.compile(r"([0-9a-df-np-sv-z]{32})-[0-9a-zA-Z+\-._?=]+")


class Kind(enum.Enum):
    """What follows from a failure."""

    REFUSED = "refused"
    """The secrets are not accepted."""
    LASTING = "lasting"
    """It fails again until somebody changes something."""
    TRANSIENT = "transient"
    """It may go well another time."""
    ONE_PATH = "one path"
    """A single path is at fault, and others go down with it."""


@attrs.frozen
class Row:
    """A line of a table: a program that wrote ``pattern`` failed in this way, which operators call ``reason``."""

    pattern: re.Pattern[str]
    kind: Kind
    reason: str

    @classmethod
    def of(cls, pattern: str, kind: Kind, reason: str) -> Row:
        """Make one; upper and lower case are the same."""
        return cls(re.compile(pattern, re.IGNORECASE), kind, reason)


@attrs.frozen
class Judgement:
    """How a program failed."""

    kind: Kind
    reason: str

    @property
    def outcome(self) -> PushFailed:
        """The same for a path."""
        return PushFailed(self.reason, transient=self.kind is Kind.TRANSIENT)


EVERYWHERE: Final[Sequence[Row]] = (
    Row.of(r"no space left on device|disk quota exceeded", Kind.TRANSIENT, "a disk is full"),
    Row.of(r"(status(code)? = |http )(429|5\d\d)\b|too many requests", Kind.TRANSIENT, "the cache is in trouble"),
    Row.of(r"certificate|tls|handshake", Kind.TRANSIENT, "the connection is not secure"),
    Row.of(
        r"timed? ?out|connection ?(failure|refused|reset|closed|error|timeout)|connect error|error sending request"
        r"|name resolution|getaddrinfo|dns error|unreachable|no route to host|broken pipe|noresponsedatareceived"
        r"|response ?timeout|unexpected end of file|unexpected eof",
        Kind.TRANSIENT,
        "the cache cannot be reached",
    ),
)
"""Below every table."""


def judge(end: ProgramEnd, program: str, table: Sequence[Row]) -> Judgement | None:
    """Say how a program failed, None where it did not."""
    if end.status == 0:
        return None
    if end.status < 0:
        return Judgement(Kind.TRANSIENT, f"{program} was ended by signal {-end.status}{_quoted(readable(end.output))}")
    return judge_text(end.output, program, table, otherwise=f"failed with status {end.status}")


def judge_text(text: str, program: str, table: Sequence[Row], *, otherwise: str = "failed") -> Judgement:
    """Say what a message of a program that failed means.

    Args:
        text: what it wrote.
        program: what it is called.
        table: what its messages mean, before `EVERYWHERE`.
        otherwise: what is said where no line of the tables fits.
    """
    plain = _STORE_NAME.sub(r"\1", readable(text))  # names are chosen by builds, and prove nothing
    for row in (*table, *EVERYWHERE):
        if found := row.pattern.search(plain):
            return Judgement(row.kind, f"{program}: {row.reason}{_quoted(_line_at(plain, found.start()))}")
    # Nobody knows what it is, so nobody knows that it lasts.
    return Judgement(Kind.TRANSIENT, f"{program} {otherwise}{_quoted(plain)}")


def readable(text: str) -> str:
    """Take out colours and other control characters."""
    return _ESCAPES.sub("", text)


def _line_at(text: str, place: int) -> str:
    return text[text.rfind("\n", 0, place) + 1 :].split("\n", 1)[0]


def _quoted(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    last = lines[-1]
    return f" ({last if len(last) <= _SHOWN else last[: _SHOWN - 3] + '...'})"
