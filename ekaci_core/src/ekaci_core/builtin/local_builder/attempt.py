"""One attempt as its records tell it: what belongs into the log, which phase it is in, what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ekaci_core.model.errors import BadName
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.internal_json import (
    ActivityKind,
    ActivityStarted,
    ActivityStopped,
    BuilderLine,
    Message,
    PhaseSet,
    PlainLine,
    Record,
)

_LOGGED_LEVEL: Final = 1
_KEPT_ERRORS: Final = 20
_KEPT_PLAIN: Final = 10
_KEPT_ACTIVITIES: Final = 1000  # of more at once, who builds with one job does not hear in earnest
_SHOWN_CHARACTERS: Final = 200


class Attempt:
    """Collects records. Sans-IO: `take` returns what is to be written."""

    def __init__(
        self, drv: DrvPath, on_phase: Callable[[str], None] | None = None, *, relayed_errors: bool = False
    ) -> None:
        self.began = False
        self._relayed_errors = relayed_errors
        self._drv = drv
        self._on_phase = on_phase
        self._errors: list[str] = []
        self._plain: list[str] = []
        self._others: dict[int, str] = {}
        self._waiting: set[int] = set()

    @property
    def is_waiting(self) -> bool:
        """Whether Nix waits for another process that builds the same derivation, and therefore prints nothing."""
        return bool(self._waiting)

    @property
    def errors(self) -> tuple[str, ...]:
        """Nix's error messages; where it exited before it logged as asked, its last plain lines."""
        return tuple(self._errors or self._plain)

    def take(self, records: Iterable[Record | None]) -> bytes:
        """Follow some records and return what they add to the log."""
        return b"".join(self._one(record) for record in records if record is not None)

    def _one(self, record: Record) -> bytes:
        match record:
            case BuilderLine():
                cut = " [the rest of this line was too long to keep]" if record.cut else ""
                return _encoded(f"{self._others.get(record.activity, '')}{record.text}{cut}\n")
            case PhaseSet():
                if self._on_phase is not None and record.activity not in self._others:
                    self._on_phase(record.phase[:_SHOWN_CHARACTERS])
            case ActivityStarted():
                self._started(record)
            case ActivityStopped():
                self._waiting.discard(record.activity)
                self._others.pop(record.activity, None)
            case Message():
                # Nix has the same form for what it only warns of, such as a substituter that does not answer.
                fatal = record.level == 0 and (record.is_error or self._relayed_errors)
                if fatal and len(self._errors) < _KEPT_ERRORS:
                    self._errors.append(record.text)
                if record.level <= _LOGGED_LEVEL:
                    said = ("error: " if fatal else "warning: ") if record.is_error else ""
                    return _encoded(f"{said}{record.text}\n")
            case PlainLine():
                self._plain = [*self._plain, record.text][-_KEPT_PLAIN:]
                return _encoded(f"{record.text}\n")
        return b""

    def _started(self, record: ActivityStarted) -> None:
        if record.kind is ActivityKind.WAITING_FOR_LOCK:
            if len(self._waiting) < _KEPT_ACTIVITIES:
                self._waiting.add(record.activity)
        elif record.kind is ActivityKind.BUILD:
            if record.subject == self._drv:
                self.began = True
            elif len(self._others) < _KEPT_ACTIVITIES:  # an input that had gone: its lines get its name in front
                self._others[record.activity] = f"{_name_of(record.subject)}> "


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")


def _name_of(path: str) -> str:
    try:
        return DrvPath.parse(path).name
    except BadName:
        return path[:_SHOWN_CHARACTERS]
