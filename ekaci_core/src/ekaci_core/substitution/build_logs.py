"""Logs of builds that were made elsewhere, fetched when somebody wants to see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import anyio
import attrs

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.substitution.cache import CacheFailed
from ekaci_core.substitution.substituter import Substituter

_SECONDS: Final = 120.0


@attrs.frozen
class FetchedLog:
    """A log that was written. ``size`` is bytes, unpacked; ``cut`` says that there was more of it."""

    substituter: str
    size: int
    cut: bool


async def fetch_log(
    substituters: Sequence[Substituter],
    drv: DrvPath,
    write: Callable[[bytes], object],
    *,
    limit: int,
    left_out: Mapping[str, str],
) -> FetchedLog | None:
    """Write the log that the first of the substituters has; see `Substitution.fetch_log`."""
    failures = dict(left_out)
    begun = False

    def begin(piece: bytes) -> None:
        nonlocal begun
        begun = True
        write(piece)

    for substituter in substituters:
        try:
            fetched = await _fetch(substituter, drv, begin, limit)
        except CacheFailed as failure:
            failures[substituter.name] = failure.reason
            if begun:  # another's would be written behind what there is
                raise _not_fetched(substituter.name, failure.reason) from None
        else:
            if fetched is not None:
                return fetched
    if failures:
        raise _not_fetched(*next(iter(failures.items())))
    return None


def _not_fetched(name: str, reason: str) -> InfrastructureFault:
    return InfrastructureFault(f"the build log could not be fetched: {reason}", where=name, do="try again later")


async def _fetch(
    substituter: Substituter, drv: DrvPath, write: Callable[[bytes], object], limit: int
) -> FetchedLog | None:
    size = 0
    with anyio.move_on_after(_SECONDS):
        async with substituter.cache.stream(f"log/{drv.base_name}") as pieces:
            if pieces is None:
                return None
            async for piece in pieces:
                kept = piece[: limit - size]
                write(kept)
                size += len(kept)
                if len(kept) < len(piece):
                    return FetchedLog(substituter.name, size, cut=True)
        return FetchedLog(substituter.name, size, cut=False)
    raise CacheFailed("it takes too long to answer")
