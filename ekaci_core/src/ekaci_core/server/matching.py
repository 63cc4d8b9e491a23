"""Attribute globs that match nothing: what was asked for is not there, and that must not pass for an answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from ekaci_core.changes import JobContents
from ekaci_core.config.suggest import nearest
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.ids import AttrPath
from ekaci_core.nix.attribute_names import Place

_WILD: Final = re.compile(r"[*?\[].*", re.DOTALL)

LookUp = Callable[[Sequence[Place]], Awaitable[Mapping[Place, Sequence[str]]]]
"""Finds the names of the sets at these places; what is no set is left out."""


def unmatched(globs: Iterable[str], jobs: Iterable[JobContents]) -> tuple[str, ...]:
    """Return the globs that match no attribute of any job on either side.

    None, where it cannot be known: an expression failed as a whole, an evaluator lost the name of an attribute, or
    there are attributes that are null, whose names are not kept.
    """
    sides = [side for job in jobs for side in (job.base, job.head) if side is not None]
    if any(side.nulls or any(not fault.attr for fault in side.faults) for side in sides):
        return ()
    names = {name for side in sides for name in side.attributes}
    names |= {fault.attr for side in sides for fault in side.faults if fault.attr and not fault.is_marker}
    return tuple(glob for glob in dict.fromkeys(globs) if not any(fnmatchcase(name, glob) for name in names))


async def check_globs(globs: Sequence[str], jobs: Iterable[JobContents], look_up: LookUp) -> tuple[str, ...]:
    """Return a note for each glob that matches nothing.

    Raises:
        UsageFault: none of them matches anything; the advice names what is there instead.
    """
    missed = unmatched(globs, jobs)
    if missed and set(missed) == set(globs):
        names = await look_up(sorted({place for glob in missed for place in _places(glob)}))
        hints = dict.fromkeys(hint for glob in missed for hint in [_hint(glob, names)] if hint)
        listed = ", ".join(map(repr, missed))
        raise UsageFault(
            f"no attribute matches {listed} on either side",
            where="--attr",
            do="; ".join(hints) or "see what the jobs have: run the review without -A",
        )
    return tuple(f"no attribute matches -A {glob!r} on either side" for glob in missed)


def _place(glob: str) -> Place:
    return AttrPath(_WILD.sub("", glob).rpartition(".")[0]).parts


def _places(glob: str) -> set[Place]:
    """Say where to look: at the top, where the glob's last name should stand, and into what it names."""
    return {(), _place(glob), *([] if _WILD.search(glob) else [AttrPath(glob).parts])}


def _hint(glob: str, names: Mapping[Place, Sequence[str]]) -> str | None:
    exact = None if _WILD.search(glob) else names.get(AttrPath(glob).parts)
    if exact is not None:
        return f"{glob} is a set: ask for what is in it, -A '{glob}.*'" + _if_looked_into(glob)
    place = _place(glob)
    there = [AttrPath.of((*place, name)) for name in names.get(place, ())]
    if any(fnmatchcase(name, glob) for name in there):
        return f"what matches {glob!r} holds no package" + _if_looked_into("")
    if place and place not in names:
        top, there = place[0], [AttrPath.of((name,)) for name in names.get((), ())]
        near = nearest(top, there)
    else:
        near = nearest(re.sub(r"[*?\[\]]", "", glob), there)
    return f"did you mean {near}?" if near else None


def _if_looked_into(name: str) -> str:
    return f" ({name or 'a set'} must say `recurseForDerivations = true`, unless it is the job's `attr_path`)"
