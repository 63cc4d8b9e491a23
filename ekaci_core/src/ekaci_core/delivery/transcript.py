"""What pushing prints, and the log of it that each derivation has."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.api import AlreadyPresent, Pushed, PushFailed, PushOutcome
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.telemetry import REDACTOR

KEPT_BYTES: Final = 256 * 1024
"""Of what one push prints, the end."""
LOG_BYTES: Final = 1024 * 1024
"""Of all pushes of a derivation to one cache, the end."""

_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME: Final = 100
_HASH: Final = re.compile(rb"([0-9a-df-np-sv-z]{32})-")


def log_name(cache: str) -> str:
    """Return the name of the file: ``hook-push-<id>.log``, with nothing in it that leads elsewhere."""
    return f"hook-push-{_ODD.sub('_', cache)[:_LONGEST_NAME]}.log"


@attrs.define(eq=False)
class Transcript:
    """Takes what a push prints, and forgets the beginning of what is too long."""

    _chunks: deque[bytes] = attrs.field(factory=deque, init=False)
    _size: int = attrs.field(default=0, init=False)

    def write(self, data: bytes) -> None:
        """Append."""
        self._chunks.append(data[-KEPT_BYTES:])
        self._size += len(self._chunks[-1])
        while self._size > KEPT_BYTES and len(self._chunks) > 1:
            self._size -= len(self._chunks.popleft())

    @property
    def lines(self) -> list[bytes]:
        """What is kept."""
        return b"".join(self._chunks).splitlines()


@attrs.frozen
class PushLogs:
    """Writes the logs of one cache. ``logs_dir`` is where those of builds are."""

    logs_dir: Path
    cache: str

    def write(
        self, at: float, outcomes: Mapping[DrvPath, Mapping[StorePath, PushOutcome]], transcript: Transcript
    ) -> None:
        """Write what came of a push for each derivation; of what it printed, what is about that derivation.

        Raises:
            InfrastructureFault: a log cannot be written.
        """
        printed = Printed.of(transcript.lines)
        for drv, of_drv in outcomes.items():
            path = self.logs_dir / drv.hash_part / log_name(self.cache)
            entry = self._entry(at, of_drv, printed.lines if len(outcomes) == 1 else printed.about(of_drv))
            try:
                _append(path, entry)
            except OSError as error:
                raise InfrastructureFault(
                    f"the log of a push cannot be written ({error.strerror})",
                    where=str(path),
                    do="see to the free space and the permissions of this folder",
                ) from error

    def _entry(self, at: float, outcomes: Mapping[StorePath, PushOutcome], printed: Sequence[bytes]) -> bytes:
        time = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
        head = [f"{time} push to {self.cache}", *(f"{path}: {said(outcome)}" for path, outcome in outcomes.items())]
        return b"\n".join([*(line.encode(errors="replace") for line in head), *printed, b""])


def _append(path: Path, entry: bytes) -> None:
    """Append to a log, with secrets masked; of one that is too long the second half stays."""
    masking = REDACTOR.stream()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        log.write(masking.feed(entry) + masking.end())
        size = log.tell()
    if size > LOG_BYTES:
        shorter = path.with_name(f"{path.name}.new")
        shorter.write_bytes(path.read_bytes()[-LOG_BYTES // 2 :])
        shorter.replace(path)


@attrs.frozen
class Printed:
    """What a push printed: its lines, and by the hash of a store path which of them name it."""

    lines: Sequence[bytes]
    naming: Mapping[bytes, Sequence[int]]

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> Printed:
        """Look for store paths in lines."""
        naming: dict[bytes, list[int]] = {}
        for at, line in enumerate(lines):
            for found in set(_HASH.findall(line)):
                naming.setdefault(found, []).append(at)
        return cls(lines, naming)

    def about(self, outcomes: Mapping[StorePath, PushOutcome]) -> Sequence[bytes]:
        """Choose the lines that name one of these paths; where one failed all, as nobody knows which say why."""
        if any(isinstance(each, PushFailed) for each in outcomes.values()):
            return self.lines
        chosen = {at for path in outcomes for at in self.naming.get(path.hash_part.encode(), ())}
        return [self.lines[at] for at in sorted(chosen)]


def said(outcome: PushOutcome) -> str:
    """Say what came of a path."""
    match outcome:
        case Pushed(sent_bytes=None):
            return "pushed"
        case Pushed(sent_bytes=sent):
            return f"pushed ({sent:,} bytes)"
        case AlreadyPresent():
            return "it was there already"
        case PushFailed(reason=reason):
            return f"failed: {reason}"
