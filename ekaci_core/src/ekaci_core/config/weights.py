"""Which repositories are treated otherwise: ``repository_weights``, ``review_as_merged``."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Final

from ekaci_core.config.rules import Rule
from ekaci_core.model.forge import RepositoryId

LEAST: Final = 0.01
MOST: Final = 100.0


def weight_of(repository: RepositoryId, weights: Iterable[str]) -> float:
    """Return the weight of the first entry whose pattern matches ``host/owner/name``, and 1 where none does."""
    for entry in weights:
        pattern, _, weight = entry.rpartition("=")
        if fnmatchcase(str(repository), pattern.strip()):
            return float(weight)
    return 1.0


def matches_repository(repository: RepositoryId, patterns: Iterable[str]) -> bool:
    """Whether some pattern matches ``host/owner/name``."""
    return any(fnmatchcase(str(repository), pattern.strip()) for pattern in patterns)


def _is_weight(text: str) -> bool:
    pattern, _, weight = text.rpartition("=")
    try:
        number = float(weight)
    except ValueError:
        return False
    return bool(pattern.strip()) and text.isprintable() and LEAST <= number <= MOST


RepositoryPattern = Annotated[
    str,
    Rule(
        'a pattern of "host/owner/name", such as "github.com/acme/*"', lambda text: "/" in text and text.isprintable()
    ),
]
RepositoryWeight = Annotated[
    str, Rule('a pattern and a weight from 0.01 to 100, such as "github.com/acme/*=2"', _is_weight)
]
