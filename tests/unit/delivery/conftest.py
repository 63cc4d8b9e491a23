"""A queue in memory, a cache that follows a script, and a clock that is set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import attrs
import pytest

from ekaci_core.api import StorePath
from ekaci_core.bus import Wakeup
from ekaci_core.delivery.auditing import Auditing
from ekaci_core.delivery.cache_pushes import CachePushes, PushParts
from ekaci_core.delivery.policy import CacheRule
from ekaci_core.store import Store, open_store
from ekaci_core.store.push import PushState, WantedPush
from ekaci_core.testing.facts import drv
from ekaci_core.testing.scripted_cache import ScriptedCache, ScriptedPaths, store_path
from ekaci_core.testing.store_forges import HERE


@attrs.define
class Hands:
    """A clock that is set."""

    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@attrs.define
class Told:
    """A log that is kept."""

    lines: list[tuple[str, dict[str, object]]] = attrs.field(factory=list)

    def debug(self, event: str, /, **fields: object) -> None:
        self.lines.append((event, fields))

    def info(self, event: str, /, **fields: object) -> None:
        self.lines.append((event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        self.lines.append((event, {**fields, "level": "warning"}))

    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


@attrs.define
class Bench:
    """Everything that a loop works with."""

    store: Store
    logs: Path
    paths: ScriptedPaths = attrs.field(factory=ScriptedPaths)
    clock: Hands = attrs.field(factory=Hands)
    told: Told = attrs.field(factory=Told)
    seconds: float = 300.0
    audit: bool = True

    def parts(self) -> PushParts:
        auditing = Auditing(self.store, self.clock, self.told, self.audit)
        return PushParts(self.store, self.paths, auditing, self.clock, self.told, self.logs, self.seconds)

    def loop(self, cache: ScriptedCache, name: str = "one", *, concurrent: int = 2) -> CachePushes:
        return CachePushes(CacheRule(id=name, concurrent=concurrent), cache, self.parts(), Wakeup())

    async def want(
        self, *names: str, cache: str = "one", references: Mapping[str, tuple[str, ...]] | None = None
    ) -> list[StorePath]:
        """Have paths pushed, each for the derivation of its name."""
        paths = [self.paths.add(store_path(name), *map(store_path, (references or {}).get(name, ()))) for name in names]
        rows = [WantedPush(cache=cache, path=path, derivation=drv(path.name), repository=HERE) for path in paths]
        await self.store.want_pushes(rows, now=self.clock.at)
        return paths

    async def states(self, cache: str = "one") -> dict[str, PushState]:
        return {each.path.name: each.state for each in await self.store.pushes(cache=cache, limit=10_000)}

    async def reasons(self) -> dict[str, str]:
        return {each.path.name: each.reason for each in await self.store.pushes(limit=10_000)}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_store(None) as store:
        yield Bench(store, tmp_path / "logs")
