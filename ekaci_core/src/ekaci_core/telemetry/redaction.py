"""Masks secrets in what is written: logs of builds and hooks, and the log of the server itself."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from ekaci_core.model.secret import REDACTED, Secret
from ekaci_core.telemetry.forms import forms
from ekaci_core.telemetry.masks import Masks, Span

GENERATIONS: Final = 4
"""So many leases of one use are masked: builds that began with an earlier one may still print it."""
LEAST_HELD: Final = 4096
MOST_ISSUED: Final = 256
"""So many secrets that plugins got by themselves are masked, the newest: they hold for minutes, or for an hour."""

_MASK: Final = REDACTED.encode()
_ISSUED: Final = "issued to plugins"


class Redactor:
    """Knows all secrets and masks them."""

    def __init__(self) -> None:
        self._known: dict[str, deque[frozenset[Secret]]] = {}
        self._masks: Masks | None = None
        self._stale = False
        self._lock = threading.Lock()

    def learn(self, owner: str, secrets: Iterable[Secret], *, generations: int = GENERATIONS) -> None:
        """Mask these from now on.

        Args:
            owner: who uses them; its earlier ones are forgotten, the oldest first, once there are too many.
            secrets: those of one lease. Values under 8 characters are not masked.
            generations: so many leases of this owner are kept; what it says first counts.
        """
        values = frozenset(secrets)
        with self._lock:
            known = self._known.setdefault(owner, deque(maxlen=generations))
            if values in known:
                known.remove(values)
            else:
                self._stale = True
            known.append(values)

    def masks(self) -> Masks | None:
        """Return what finds all that are known, None where there are none."""
        if self._stale:
            with self._lock:
                secrets = {each for sets in self._known.values() for values in sets for each in values}
                found = {form for secret in secrets for form in forms(secret.reveal())}
                self._masks = Masks(found) if found else None
                self._stale = False
        return self._masks

    def mask(self, data: bytes) -> bytes:
        """Mask secrets in bytes that are whole: nothing of a secret goes on before or behind them."""
        masks = self.masks()
        return data if masks is None else _masked(data, masks.spans(data))

    def text(self, text: str) -> str:
        """Mask secrets in a text."""
        if self.masks() is None:
            return text
        return self.mask(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")

    def stream(self) -> RedactedStream:
        """Begin to mask bytes that come in pieces."""
        return RedactedStream(self)


class RedactedStream:
    """Masks secrets in bytes that come in pieces, wherever they are cut.

    A word that is not ended is held back until it is, and with it what may be the beginning of a secret with spaces.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what can be written by now."""
        masks = self._redactor.masks()
        data, self._held = self._held + data, b""
        if masks is None:
            return data
        spans = masks.spans(data)
        undecided = masks.undecided(data)
        if undecided > max(LEAST_HELD, 2 * masks.longest):
            undecided = masks.longest
        ready = _before(spans, len(data) - undecided)
        if not ready and spans and len(data) > max(LEAST_HELD, 4 * masks.longest):
            ready = spans[0][1]  # one secret after the other, without end
        self._held = data[ready:]
        return _masked(data[:ready], [span for span in spans if span[1] <= ready])

    def end(self) -> bytes:
        """Return what was held back."""
        data, self._held = self._held, b""
        return self._redactor.mask(data)


def _before(spans: list[Span], at: int) -> int:
    """Move a cut to where no secret is cut."""
    return next((start for start, end in spans if start < at < end), at)


def _masked(data: bytes, spans: list[Span]) -> bytes:
    if not spans:
        return data
    parts: list[bytes] = []
    at = 0
    for start, end in spans:
        parts += data[at:start], _MASK
        at = end
    parts.append(data[at:])
    return b"".join(parts)


REDACTOR: Final = Redactor()
"""Of this process."""


def conceal(secret: Secret) -> None:
    """Mask a secret that a plugin got by itself, such as a token that it was issued."""
    REDACTOR.learn(_ISSUED, [secret], generations=MOST_ISSUED)
