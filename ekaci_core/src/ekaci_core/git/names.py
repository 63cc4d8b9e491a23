"""Names of revisions as people type them, and of directories as Nix wants them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from ekaci_core.model.errors import UsageFault

_ILLEGAL: Final = re.compile(r"[^0-9A-Za-z+\-._?=]+")
_LONGEST_NAME: Final = 120
_REFERENCES: Final = re.compile(r"^refs/(?:heads|remotes|tags)/")


def checked_ref(ref: str) -> str:
    """Refuse what git would read as an option or as several lines.

    Raises:
        UsageFault: ``ref`` cannot name a revision.
    """
    if not ref.strip():
        raise UsageFault("a revision's name is empty", do="name a branch, tag or commit")
    if ref.startswith("-"):
        raise UsageFault(f"{ref!r} looks like an option, not like a revision", do="name a branch, tag or commit")
    if any(character < " " or character == "\x7f" for character in ref):
        raise UsageFault(f"{ref!r} holds control characters", do="name a branch, tag or commit")
    return ref


def near_names(ref: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Find what ``ref`` may have meant: the same name on a remote first, then similar spellings."""
    names = sorted(set(known))
    same = [name for name in names if name.endswith(f"/{ref}")]
    folded = {name.casefold(): name for name in names}
    tails = {name.rpartition("/")[2].casefold(): name for name in names}
    close = [folded[name] for name in difflib.get_close_matches(ref.casefold(), folded, n=limit, cutoff=0.6)]
    close += [tails[name] for name in difflib.get_close_matches(ref.casefold(), tails, n=limit, cutoff=0.75)]
    return tuple(dict.fromkeys([*same, *close]))[:limit]


def short_ref(full: str) -> str:
    """``refs/remotes/origin/main`` as people write it: ``origin/main``."""
    return _REFERENCES.sub("", full)


def source_name(directory: str) -> str:
    """Make the name of a checkout's last directory, which Nix gives to ``./.`` in the store.

    It is the repository's own where Nix can take that; other characters become dashes.
    """
    name = _ILLEGAL.sub("-", directory.removesuffix(".git") or directory).lstrip(".-")[:_LONGEST_NAME]
    return name or "source"
