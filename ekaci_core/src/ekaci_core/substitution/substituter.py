"""One substituter: whether it can be used, and what it has that may be trusted."""

from __future__ import annotations

from typing import Final

import anyio
import attrs

from ekaci_core.api import Clock
from ekaci_core.model.ids import StorePath
from ekaci_core.nix.narinfo import CacheInfo, Corrupt, NarInfo, PublicKeys, parse_cache_info, parse_narinfo
from ekaci_core.substitution.cache import BinaryCache, CacheFailed
from ekaci_core.substitution.patience import OPEN_SECONDS

_INFO_SECONDS: Final = 3600.0


@attrs.frozen
class Trust:
    """Whom to believe. ``keys`` None means that nobody has to sign; ``store`` is the directory of the store."""

    keys: PublicKeys | None
    store: str


@attrs.frozen
class _Introduction:
    info: CacheInfo | None
    reason: str
    until: float


class Substituter:
    """Reads what a cache says, and believes it as Nix does."""

    def __init__(self, cache: BinaryCache, trust: Trust, clock: Clock) -> None:
        """Ask nothing yet."""
        self.cache = cache
        self.distrusted = 0
        self._trust = trust
        self._clock = clock
        self._lock = anyio.Lock()
        self._introduction: _Introduction | None = None

    @property
    def name(self) -> str:
        """Its address, as people are shown it."""
        return self.cache.address.url

    async def priority(self) -> int:
        """Ask what the cache says of itself, unless that is known, and return its priority: smaller goes first.

        Raises:
            CacheFailed: it cannot be used; this is remembered for a minute.
        """
        async with self._lock:
            if self._introduction is None or self._clock.monotonic() >= self._introduction.until:
                self._introduction = await self._introduce()
        info = self._introduction.info
        if info is None:
            raise CacheFailed(self._introduction.reason)
        own = self.cache.address.priority
        return info.priority if own is None else own

    async def look_up(self, path: StorePath) -> NarInfo | None:
        """Return what it has of a path; None where it has nothing, or nothing that may be trusted.

        Raises:
            CacheFailed: it did not say, or nothing that makes sense.
        """
        data = await self.cache.get(f"{path.hash_part}.narinfo")
        if data is None:
            return None
        try:
            info = parse_narinfo(data, store=self._trust.store)
        except Corrupt as error:
            raise CacheFailed(f"what it says of {path} is corrupt: {error}") from None
        if info.path != path:
            return None
        if self._trust.keys is None or self.cache.address.trusted or info.is_trusted(self._trust.keys):
            return info
        self.distrusted += 1
        return None

    async def _introduce(self) -> _Introduction:
        info: CacheInfo | None = None
        try:
            data = await self.cache.get("nix-cache-info")
            if data is None:
                reason = "it is no binary cache"
            else:
                info = parse_cache_info(data)
                reason = "" if info.store == self._trust.store else f"it is for stores in {info.store[:100]!r}"
        except Corrupt as error:
            reason = f"what it says of itself is corrupt: {error}"
        except CacheFailed as failure:
            reason = failure.reason
        usable = not reason
        seconds = _INFO_SECONDS if usable else OPEN_SECONDS
        return _Introduction(info if usable else None, reason, self._clock.monotonic() + seconds)
