"""Attic caches to test: a stand-in or a real server, pushed to over HTTP or by a stand-in of Attic's program."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, closing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import attrs
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_stand_in import AtticStandIn
from tests.plugins.ekaci_cache_backends.attic_and_cachix.paths import new_path
from tests.plugins.ekaci_cache_backends.attic_and_cachix.serving import Reply

from ekaci_cache_backends.attic.cache import AtticCache, AtticConfig, AtticType
from ekaci_core.api import CredentialUse, StorePath
from ekaci_core.testing.cache_laboratory import Trouble
from ekaci_core.testing.cache_witness import CacheWitness

FIRST, SECOND = "canary-of-the-first-token", "canary-of-the-second-token"
BROKEN = Reply(HTTPStatus.SERVICE_UNAVAILABLE, b"no such luck", {"Retry-After": "7"})
GARBLED = Reply(HTTPStatus.OK, b"<html>Welcome to the hotel</html>")


def witness_of(environment: dict[str, str]) -> CacheWitness:
    return CacheWitness(environment, leases={"planted": [{"ATTIC_TOKEN": FIRST}, {"ATTIC_TOKEN": SECOND}]})


@attrs.define
class AtticLaboratory:
    """A stand-in, and how the cache there is configured."""

    server: AtticStandIn
    witness: CacheWitness
    settings: dict[str, Any]
    troubles: frozenset[Trouble] = frozenset(Trouble)
    says_order: bool = True

    def open(self) -> AbstractAsyncContextManager[AtticCache]:
        return AtticType().open(self.config(), self.witness.context)

    def config(self, **settings: Any) -> AtticConfig:
        given: dict[str, Any] = {
            "id": "attic",
            "destination": f"{self.server.address}/{self.server.cache}",
            "credentials": CredentialUse("planted"),
            "timeout_seconds": 2,
        }
        return AtticConfig(**{**given, **self.settings, **settings})

    async def path(self, *references: StorePath) -> StorePath:
        return await new_path(self.witness.environment, *references)

    async def held(self) -> Sequence[StorePath]:
        return [StorePath.parse(each) for each in self.server.store_paths]

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


@attrs.define
class RealAttic:
    """A real server: where it is, and its database."""

    address: str
    database: Path
    cache: str
    tokens: Sequence[str]


@attrs.define
class RealAtticLaboratory:
    """As `AtticLaboratory`; it makes no trouble."""

    server: RealAttic
    witness: CacheWitness
    troubles: frozenset[Trouble] = frozenset()
    says_order: bool = True

    def open(self) -> AbstractAsyncContextManager[AtticCache]:
        destination = f"{self.server.address}/{self.server.cache}"
        config = AtticConfig(id="attic", destination=destination, credentials=CredentialUse("planted"), push_by="http")
        return AtticType().open(config, self.witness.context)

    async def path(self, *references: StorePath) -> StorePath:
        return await new_path(self.witness.environment, *references)

    async def held(self) -> Sequence[StorePath]:
        with closing(sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True)) as database:
            rows = database.execute("select store_path from object order by id").fetchall()
        return [StorePath.parse(path) for (path,) in rows]

    async def make(self, trouble: Trouble) -> None:
        raise AssertionError(trouble)
