"""Keeps a server's disk within its bounds, for ever."""

from __future__ import annotations

from typing import Final

import anyio
import attrs

from ekaci_core.api import Clock, EkaciError, Logger
from ekaci_core.config.bounds import RetentionSettings
from ekaci_core.delivery import Pushing
from ekaci_core.git.mirror import Mirrors
from ekaci_core.server.retention import LogLimits, Retention
from ekaci_core.server.server_places import ServerPlaces
from ekaci_core.store import Store

INTERVAL_SECONDS: Final = 3600.0
DELIVERIES_SECONDS: Final = 30 * 86_400.0
"""Deliveries that were handled stay for so long: for replays, and to know one that is sent again."""
POSTS_SECONDS: Final = 90 * 86_400.0
"""What stands at a forge is remembered for so long after its last change."""
AUDIT_SECONDS: Final = 90 * 86_400.0
"""Audit records stay for so long."""
HOOKS_SECONDS: Final = 90 * 86_400.0
"""Runs of hooks that have ended are remembered for so long."""

MIRRORS_SECONDS: Final = 7 * 86_400.0
"""Copies of repositories that no forge gives us any more go when nothing was fetched for so long: it may come back."""

# Younger logs stay: what is being read or written just now is not looked at.
_YOUNG_SECONDS: Final = 3600.0


@attrs.frozen
class Housekeeping:
    """The loop. What cannot be removed now is looked at again the next time."""

    _store: Store
    _places: ServerPlaces
    _settings: RetentionSettings
    _clock: Clock
    _log: Logger
    _mirrors: Mirrors | None = None
    _pushing: Pushing | None = None

    async def run(self) -> None:
        """Clean up every hour."""
        while True:
            try:
                await self.clean()
            except EkaciError as fault:
                self._log.warning("housekeeping_failed", reason=str(fault))
            await anyio.sleep(INTERVAL_SECONDS)

    async def clean(self) -> None:
        """Remove what is over the bounds.

        Raises:
            InfrastructureFault: the store or a directory fails.
        """
        now = self._clock.now()
        settings = self._settings
        await self._store.prune_deliveries(before=now - DELIVERIES_SECONDS)
        await self._store.prune_posts(before=now - POSTS_SECONDS)
        await self._store.prune_review_checks(before=now - POSTS_SECONDS)
        await self._store.prune_results(before=now - settings.evaluations_max_age_seconds)
        await self._store.prune_hooks(before=now - HOOKS_SECONDS)
        limits = LogLimits(settings.logs_total_bytes, settings.logs_max_age_seconds)
        await Retention(self._store, self._places.logs, self._places.outputs, limits).sweep(
            now=now, since=now - _YOUNG_SECONDS, keep=(), forgotten=True
        )
        await self._store.prune_audit_records(before=now - AUDIT_SECONDS)
        if self._pushing is not None:
            await self._pushing.clean()
        if self._mirrors is not None:
            live = [record.wish.repository for record in await self._store.live_reviews()]
            known = await self._store.installed()
            removed = await self._mirrors.remove_unused([*known, *live], before=now - MIRRORS_SECONDS)
            if removed:
                self._log.info("copies_of_repositories_removed", count=removed)
            await self._mirrors.tidy()
