"""Who may use what: repositories and branches by patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

import attrs


def compile_globs(patterns: Iterable[str], *, ignore_case: bool) -> re.Pattern[str]:
    """Turn patterns into one expression for whole names; ``*`` stands for anything, ``/`` included."""
    parts = (".*".join(re.escape(part) for part in pattern.split("*")) for pattern in patterns)
    return re.compile("|".join(f"(?:{part})" for part in parts) or r"(?!)", re.DOTALL | re.IGNORECASE * ignore_case)


@attrs.frozen(slots=False)
class Permissions:
    """What a cache or a forge's account may be used for.

    With ``allow_all`` the lists mean nothing. Otherwise an empty list does not restrict its side, and both empty allow
    nothing.
    """

    allow_all: bool = True
    allowed_repos: tuple[str, ...] = ()
    allowed_branches: tuple[str, ...] = ()

    def allows_repository(self, path: str) -> bool:
        """Whether ``owner/name`` is allowed, on some branch. Forges tell repositories apart without regard to case."""
        if self.allow_all:
            return True
        if not self.allowed_repos:
            return bool(self.allowed_branches)
        return self._repositories.fullmatch(path) is not None

    def allows(self, path: str, branch: str) -> bool:
        """Whether a branch of ``owner/name`` is allowed; ``branch`` is its short name."""
        if self.allow_all:
            return True
        on_branch = not self.allowed_branches or self._branches.fullmatch(branch) is not None
        return self.allows_repository(path) and on_branch

    @cached_property
    def _repositories(self) -> re.Pattern[str]:
        return compile_globs(self.allowed_repos, ignore_case=True)

    @cached_property
    def _branches(self) -> re.Pattern[str]:
        return compile_globs(self.allowed_branches, ignore_case=False)
