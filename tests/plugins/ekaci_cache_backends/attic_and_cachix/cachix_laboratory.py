"""Cachix caches to test: a stand-in of the service, and of its program."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_laboratory import BROKEN, GARBLED
from tests.plugins.ekaci_cache_backends.attic_and_cachix.cachix_stand_in import CachixStandIn
from tests.plugins.ekaci_cache_backends.attic_and_cachix.paths import new_path

from ekaci_cache_backends.cachix.cache import CachixCache, CachixConfig, CachixType
from ekaci_core.api import CredentialUse, StorePath
from ekaci_core.testing.cache_laboratory import Trouble
from ekaci_core.testing.cache_witness import CacheWitness

FIRST, SECOND = "canary-of-the-first-token", "canary-of-the-second-token"


def witness_of(environment: dict[str, str]) -> CacheWitness:
    leases = {"planted": [{"CACHIX_AUTH_TOKEN": FIRST}, {"CACHIX_AUTH_TOKEN": SECOND}]}
    return CacheWitness(environment, leases=leases)


@attrs.define
class CachixLaboratory:
    """A stand-in, and how the cache there is configured."""

    server: CachixStandIn
    witness: CacheWitness
    troubles: frozenset[Trouble] = frozenset(Trouble)
    says_order: bool = True

    def open(self) -> AbstractAsyncContextManager[CachixCache]:
        return CachixType().open(self.config(), self.witness.context)

    def config(self, **settings: Any) -> CachixConfig:
        given: dict[str, Any] = {
            "id": "cachix",
            "destination": self.server.cache,
            "endpoint": self.server.address,
            "credentials": CredentialUse("planted"),
            "timeout_seconds": 2,
        }
        return CachixConfig(**{**given, **settings})

    async def path(self, *references: StorePath) -> StorePath:
        return await new_path(self.witness.environment, *references)

    async def held(self) -> Sequence[StorePath]:
        return [StorePath.parse(each) for each in self.server.kept]

    async def make(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.UNREACHABLE:
                self.server.leave()
            case Trouble.BROKEN:
                self.server.reply = BROKEN
            case Trouble.HANGING:
                self.server.hanging = True
            case Trouble.GARBLED:
                self.server.reply = GARBLED
            case Trouble.EXPIRED:
                self.server.tokens = {SECOND}
            case Trouble.DENIED:
                self.server.tokens = set()
