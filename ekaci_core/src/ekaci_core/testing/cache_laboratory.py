"""What the kit for caches asks of whoever tests one."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ekaci_core.api import Cache, StorePath
from ekaci_core.testing.cache_witness import CacheWitness


class Trouble(enum.Enum):
    """What can be wrong with the place behind a cache."""

    UNREACHABLE = "unreachable"
    """Nobody listens, or the folder is not there."""
    BROKEN = "broken"
    """It answers that it is broken, or too busy, for now."""
    HANGING = "hanging"
    """It takes what it is sent and never answers."""
    GARBLED = "garbled"
    """Its answers make no sense."""
    EXPIRED = "expired"
    """It refuses the secrets that were given first, and takes those that `HeldCredentials.renew` gives."""
    DENIED = "denied"
    """It refuses all secrets."""


class CacheLaboratory(Protocol):
    """A cache, what stands behind it, and a store to push from."""

    @property
    def witness(self) -> CacheWitness:
        """Made the context that the cache is opened with; its secrets are planted."""
        ...

    @property
    def troubles(self) -> frozenset[Trouble]:
        """Those that it can make."""
        ...

    @property
    def says_order(self) -> bool:
        """Whether `held` is in the order in which paths arrived."""
        ...

    def open(self) -> AbstractAsyncContextManager[Cache]:
        """Open the cache, patient for at most two seconds where a place is silent."""
        ...

    async def path(self, *references: StorePath) -> StorePath:
        """Add a new path to the store, which refers to these."""
        ...

    async def held(self) -> Sequence[StorePath]:
        """Look behind the cache's back: what has arrived, whole."""
        ...

    async def make(self, trouble: Trouble) -> None:
        """From now on the place is like this."""
        ...
