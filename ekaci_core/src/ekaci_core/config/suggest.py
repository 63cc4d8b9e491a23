"""What a misspelt word may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 80


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that ``word`` is a spelling or a typing mistake of."""
    if len(word) > _LONGEST:
        return None
    folded = {_fold(name): name for name in known}
    if exact := folded.get(_fold(word)):
        return exact
    close = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=0.7)
    return folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Write ``(did you mean "retries"?)`` with a leading space, or nothing."""
    name = nearest(word, known)
    return f' (did you mean "{name}"?)' if name is not None else ""


def _fold(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())
