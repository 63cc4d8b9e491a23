"""Answers of caches, for as long as Nix would remember them."""

from __future__ import annotations

from typing import Final

import attrs

from ekaci_core.nix.narinfo import NarInfo

_MOST: Final = 400_000


@attrs.frozen
class Answer:
    """What a cache said of a path; ``info`` is None where it has none that may be used."""

    info: NarInfo | None


class Memory:
    """Remembers answers by store path, a bounded number of them: the oldest go first."""

    def __init__(self, *, positive_ttl: float, negative_ttl: float, most: int = _MOST) -> None:
        """Remember for so many seconds."""
        self._positive = positive_ttl
        self._negative = negative_ttl
        self._most = most
        self._answers: dict[str, tuple[float, Answer]] = {}

    def find(self, path: str, now: float) -> Answer | None:
        """Return what was said, None where nothing was or too long ago (``now`` is monotonic)."""
        entry = self._answers.get(path)
        return entry[1] if entry is not None and now < entry[0] else None

    def keep(self, path: str, answer: Answer, now: float) -> None:
        """Remember."""
        self._answers.pop(path, None)
        if len(self._answers) >= self._most:
            del self._answers[next(iter(self._answers))]
        self._answers[path] = (now + (self._negative if answer.info is None else self._positive), answer)
