"""What tokens are for, and the permissions that each use needs. Pure.

https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final

Granted = Mapping[str, str]

_LEVELS: Final = {"": 0, "read": 1, "write": 2, "admin": 3}


class Use(enum.Enum):
    """A use; its value are the sets of permissions of which any one is enough."""

    CONTENTS = ({"contents": "read"},)
    CHECKS = ({"checks": "write"},)
    PULL_REQUESTS = ({"pull_requests": "read"},)
    # The page says that either is enough; on pull requests the first is what works.
    COMMENTS = ({"pull_requests": "write"}, {"issues": "write"})
    METADATA = ({"metadata": "read"},)

    @property
    def alternatives(self) -> tuple[Granted, ...]:
        """The sets of permissions, the one to try first in front."""
        found: tuple[Granted, ...] = self.value
        return found


def covers(granted: Granted, needed: Granted) -> bool:
    """Whether what was granted is enough."""
    return all(_LEVELS.get(str(granted.get(name, "")), 0) >= _LEVELS[level] for name, level in needed.items())


def in_words(alternatives: Iterable[Granted]) -> str:
    """Return permissions as people know them: ``checks: write``."""
    return " or ".join(f"{name}: {level}" for each in alternatives for name, level in each.items())
