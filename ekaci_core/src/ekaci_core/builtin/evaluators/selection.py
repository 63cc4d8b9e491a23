"""Which attributes were asked for, and what must be looked into to find them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

_WILD: Final = re.compile(r"[*?\[]")


class Selection:
    """Attribute globs, as ``-A`` gives them; none selects everything."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._globs = tuple(globs)
        self._beginnings = tuple(_WILD.split(glob, maxsplit=1)[0] for glob in globs)

    def wants(self, attr: str) -> bool:
        """Whether the attribute itself was asked for."""
        return not self._globs or any(fnmatchcase(attr, glob) for glob in self._globs)

    def may_hold(self, attr: str) -> bool:
        """Whether something below the attribute may have been asked for; True in doubt."""
        below = attr + "." if attr else ""
        return not self._globs or any(
            beginning.startswith(below) or (beginning != glob and below.startswith(beginning))
            for beginning, glob in zip(self._beginnings, self._globs, strict=True)
        )
