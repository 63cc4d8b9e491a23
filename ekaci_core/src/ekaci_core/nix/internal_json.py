"""What Nix says with ``--log-format internal-json``: lines of ``@nix {...}``, and whatever else comes between them.

The format is not documented as stable, so what is unknown is left out, and what cannot be read is shown as it came.
Numbers as in Nix: https://github.com/NixOS/nix/blob/master/src/libutil/include/nix/util/logging.hh
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable
from typing import Any, Final

import attrs

from ekaci_core.process.lines import Line
from ekaci_core.process.plain import plain_text

_MARK: Final = b"@nix "
_LONG_LOG_LINE: Final = b'@nix {"action":"result","fields":["'
# Only errors of Nix itself have a position, if an empty one. A daemon's have the last lines of the build's log in them.
_LONG_ERROR: Final = re.compile(
    rb'@nix \{"action":"msg","column":(?:\d+|null),"file":(?:null|"[^"]*"),"level":(\d),"line":(?:\d+|null),"msg":"'
)
_ERROR_BYTES: Final = 64 * 1024

LOG_LINE_RESULTS: Final = (101, 107)
"""``ResultType`` of a line that a builder printed, and of one that a hook after the build did."""

PHASE_RESULT: Final = 104
"""``ResultType`` of a builder that enters a phase."""


class ActivityKind(enum.IntEnum):
    """The activities that matter to somebody who waits for a build."""

    OTHER = 0
    COPY_PATH = 100
    BUILD = 105
    SUBSTITUTE = 108
    WAITING_FOR_LOCK = 111  # another process builds the same derivation


@attrs.frozen
class ActivityStarted:
    """Something began; ``subject`` is its first field: of builds and copies, the store path."""

    activity: int
    kind: ActivityKind
    subject: str = ""


@attrs.frozen
class ActivityStopped:
    """Something ended, well or not."""

    activity: int


@attrs.frozen
class BuilderLine:
    """A line that a builder or a hook printed, escape sequences included; ``cut`` where it was too long."""

    activity: int
    text: str
    cut: bool = False


@attrs.frozen
class PhaseSet:
    """A builder entered a phase."""

    activity: int
    phase: str


@attrs.frozen
class Message:
    """Something that Nix says; lower levels are graver: 0 errors, 1 warnings, 3 information.

    ``is_error`` marks an error of Nix itself. A builder can print what becomes a message of any level, but not this.
    """

    level: int
    text: str
    is_error: bool = False


@attrs.frozen
class PlainLine:
    """A line that is no record, or one that cannot be read."""

    text: str


Record = ActivityStarted | ActivityStopped | BuilderLine | PhaseSet | Message | PlainLine


def parse_line(line: Line) -> Record | None:
    """Read one line; None for a record that says nothing of the above, such as progress."""
    if not line.data.startswith(_MARK):
        return PlainLine(line.text)
    if line.cut:
        return _cut_record(line)
    try:
        record = json.loads(line.data[len(_MARK) :])
        read = _READERS.get(record["action"])
        return read(record) if read else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return PlainLine(line.text)


def _started(record: dict[str, Any]) -> Record:
    number = record["type"]
    kind = ActivityKind(number) if number in _KINDS else ActivityKind.OTHER
    fields = record.get("fields") or [""]
    return ActivityStarted(int(record["id"]), kind, str(fields[0]))


def _stopped(record: dict[str, Any]) -> Record:
    return ActivityStopped(int(record["id"]))


def _result(record: dict[str, Any]) -> Record | None:
    kind = record["type"]
    if kind in LOG_LINE_RESULTS:
        return BuilderLine(int(record["id"]), str(record["fields"][0]))
    return PhaseSet(int(record["id"]), str(record["fields"][0])) if kind == PHASE_RESULT else None


def _message(record: dict[str, Any]) -> Record:
    raw = record.get("raw_msg")
    text = record["msg"] if raw is None else raw
    return Message(int(record["level"]), plain_text(str(text)), is_error=raw is not None)


_KINDS: Final = frozenset(ActivityKind)
_READERS: Final[dict[str, Callable[[dict[str, Any]], Record | None]]] = {
    "start": _started,
    "stop": _stopped,
    "result": _result,
    "msg": _message,
}


def _cut_record(line: Line) -> Record:
    """Save the beginning of a log line, or of an error with one in it, that was too long to be read whole."""
    if line.data.startswith(_LONG_LOG_LINE):
        text = _begun_string(line.data[len(_LONG_LOG_LINE) :])
        return PlainLine(line.text) if text is None else BuilderLine(0, text, cut=True)
    if found := _LONG_ERROR.match(line.data):
        text = _begun_string(line.data[found.end() : found.end() + _ERROR_BYTES])
        if text is not None:
            return Message(int(found[1]), plain_text(text).removeprefix("error:").lstrip(), is_error=True)
    return PlainLine(line.text)


def _begun_string(data: bytes) -> str | None:
    """Read the beginning of a string whose end is missing; None if it is none."""
    text = data.decode(errors="ignore")
    escape = text.rfind("\\", -6)  # the cut may have gone through an escape of up to six characters
    for end in (len(text), escape, escape - 1):
        try:
            return str(json.loads(f'"{text[:end]}"'))
        except ValueError:
            continue
    return None
