"""The database that reviews and builds left, and the derivations that it knows."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import anyio.from_thread
import anyio.to_thread

from ekaci_core.model.errors import BadName, UsageFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.records import VanishedDerivation, read_unknown
from ekaci_core.server.places import Places
from ekaci_core.store import Store, open_store

_HASH: Final = re.compile(r"[0-9a-df-np-sv-z]{32}")


@asynccontextmanager
async def known_store(places: Places) -> AsyncIterator[Store]:
    """Open the database, which must be there.

    Raises:
        UsageFault: there is none.
        InfrastructureFault: it cannot be opened.
    """
    if not places.database.exists():
        raise UsageFault(
            "there is no database yet: nothing was reviewed or built here",
            where=str(places.database),
            do="`ekaci review` and `ekaci build` make it; XDG_CACHE_HOME says where it is looked for",
        )
    async with open_store(places.database) as store:
        yield store


async def named_derivation(store: Store, text: str) -> DrvPath:
    """Return the derivation of this path, base name or hash; it may be unknown unless it was named by its hash.

    Raises:
        UsageFault: it names none, or its hash is unknown or that of several.
    """
    if not _HASH.fullmatch(text):
        try:
            return DrvPath.parse(text)
        except BadName:
            raise UsageFault(
                "this names no derivation",
                where=text,
                do="give the path of a .drv file in the Nix store, or the 32 characters of its hash",
            ) from None
    found = sorted(await store.derivations_with_hash(text))
    if len(found) > 1:
        raise UsageFault(
            f"{len(found)} derivations have this hash",
            where=text,
            do=f"give the whole path of one: {', '.join(found[:5])}",
        )
    if not found:
        raise UsageFault("the database knows no derivation with this hash", where=text, do="give its whole path")
    return found[0]


async def known_derivation(store: Store, text: str) -> DrvPath:
    """Return a derivation that the database knows.

    Raises:
        UsageFault: it does not, or as `named_derivation`.
    """
    drv = await named_derivation(store, text)
    if not await store.known_derivations([drv]):
        raise UsageFault(
            "the database does not know this derivation",
            where=drv,
            do="`ekaci build` takes in any derivation of the Nix store, reviews those that they evaluate",
        )
    return drv


async def take_in(store: Store, drv: DrvPath) -> None:
    """Store a derivation and all it needs, as far as the database does not know them yet.

    Raises:
        UsageFault: its file is not in the Nix store.
        InfrastructureFault: one that it needs is missing, or cannot be read.
    """

    def known(paths: object) -> frozenset[DrvPath]:
        return anyio.from_thread.run(store.known_derivations, paths)  # type: ignore[arg-type]  # a generation of paths

    try:
        records = await anyio.to_thread.run_sync(partial(read_unknown, [drv], known))
    except VanishedDerivation as vanished:
        if vanished.where != drv:
            raise
        raise UsageFault(
            "there is no such derivation in the Nix store",
            where=drv,
            do="make it with `nix-instantiate`, or correct the path",
        ) from None
    if records:
        await store.add_derivations(records)
