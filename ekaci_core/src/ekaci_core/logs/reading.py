"""Parts of a log, whatever form it is in: the last lines, a range, all. Memory does not grow with the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

from ekaci_core.logs.files import LogFiles
from ekaci_core.logs.plain_log import PlainLog
from ekaci_core.logs.sealed_log import SealedLog
from ekaci_core.process.lines import Line, LineSplitter
from ekaci_core.process.plain import plain, plain_end

SHOWN_LINE_BYTES: Final = 64 * 1024
"""Of a longer line, so much is shown."""

_TRIES: Final = 5
_CHUNK_BYTES: Final = 256 * 1024
_TAIL_CHUNKS: Final = 16


class Log(Protocol):
    """An open log of ``size`` bytes; ``newlines`` counts them where that is known without looking."""

    size: int

    @property
    def newlines(self) -> int | None:
        """How many newlines it has, None where only reading tells."""
        ...

    def read(self, start: int, size: int) -> bytes:
        """Return at most ``size`` bytes from ``start``, fewer only at the end."""
        ...

    def before_line(self, number: int) -> tuple[int, int]:
        """Return a place before that line, and how many newlines stand before the place."""
        ...


def open_log(path: Path) -> PlainLog | SealedLog:
    """Open a log as it is now; to be closed. The plain form counts where both are there.

    Raises:
        FileNotFoundError: there is no log.
        OSError: it cannot be read.
        DamagedLog: its compressed form is not what was written.
    """
    for _ in range(_TRIES):
        try:
            return PlainLog(path)
        except FileNotFoundError:
            try:
                return SealedLog(LogFiles(path).sealed)
            except FileNotFoundError:  # there may be a plain one by now
                continue
    raise FileNotFoundError(2, "there is no log", str(path))


def tail(path: Path, lines: int = 30) -> tuple[str, ...]:
    """Return the last lines of a log, fit for showing; none where there is no log.

    Reads only the end. Escape sequences and control characters are gone, of a line that was rewritten with carriage
    returns the last version stands. An overlong line is cut: where its beginning is too far away, its end stands, after
    an ellipsis.

    Raises:
        OSError: it cannot be read.
        DamagedLog: its compressed form is not what was written.
    """
    try:
        log = open_log(path)
    except FileNotFoundError:
        return ()
    with log:
        data, whole = _end_of(log, lines)
    if not data or lines <= 0:
        return ()
    found = data.removesuffix(b"\n").split(b"\n")
    shown = [plain(line.decode(errors="replace")) for line in found[-lines:]]
    if not whole and len(found) <= lines:
        shown[0] = plain_end(found[0].decode(errors="replace").lstrip("\ufffd"))
    return tuple(shown)


def chunks(log: Log, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield what stands from ``start`` to ``end``, a piece at a time."""
    end = log.size if end is None else end
    while data := log.read(start, min(_CHUNK_BYTES, end - start)):
        yield data
        start += len(data)


def lines_in(data: Iterable[bytes]) -> Iterator[list[Line]]:
    """Cut what was read into lines, in batches; overlong ones are cut short."""
    splitter = LineSplitter(SHOWN_LINE_BYTES)
    for each in data:
        yield splitter.feed(each)
    yield splitter.end()


def start_of_line(log: Log, number: int) -> int:
    """Return where a line begins, counted from 1; the end of the log where there are not so many."""
    start, newlines = log.before_line(number)
    missing = number - 1 - newlines
    for data in chunks(log, start) if missing > 0 else ():
        found = data.count(b"\n")
        if found >= missing:
            return start + len(data) - len(data.split(b"\n", missing)[missing])
        missing -= found
        start += len(data)
    return start


def start_of_last(log: Log, count: int) -> int:
    """Return where the last ``count`` lines begin."""
    end = log.size - 1 if log.size and log.read(log.size - 1, 1) == b"\n" else log.size
    if count <= 0:
        return log.size
    if log.newlines is not None:
        lines = log.newlines + (end == log.size and end > 0)
        return start_of_line(log, max(lines - count + 1, 1))
    while end > 0:
        start = max(end - _CHUNK_BYTES, 0)
        data = log.read(start, end - start)
        found = data.count(b"\n")
        if found >= count:
            return start + len(data.rsplit(b"\n", count)[0]) + 1
        count -= found
        end = start
    return 0


def shown(line: Line) -> str:
    """Return a line fit for a terminal: nothing in it can move the cursor, change colours or set a title."""
    text = plain(line.text, SHOWN_LINE_BYTES)
    return text + "…" if line.cut else text


def _end_of(log: Log, lines: int) -> tuple[bytes, bool]:
    """Read so much of the end that it has the lines, unless they are overlong; say whether that is all there is."""
    start = log.size
    found: list[bytes] = []
    newlines = 0
    while start and newlines <= lines and len(found) < _TAIL_CHUNKS:
        size = min(start, _CHUNK_BYTES)
        start -= size
        found.append(log.read(start, size))
        newlines += found[-1].count(b"\n")
    return b"".join(reversed(found)), start == 0
