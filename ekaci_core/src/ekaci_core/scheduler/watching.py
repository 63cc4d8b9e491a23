"""Who waits for the ends of which derivations."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import anyio
import attrs

from ekaci_core.model.ids import DrvPath


@attrs.define(eq=False)
class Watch:
    """Waits until all of its derivations have ended."""

    left: set[DrvPath]
    _over: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        """Wait for nothing where there is nothing to wait for."""
        self.strike(())

    def strike(self, drvs: Iterable[DrvPath]) -> None:
        """Note that these have ended."""
        self.left.difference_update(drvs)
        if not self.left:
            self._over.set()

    def end(self) -> None:
        """Wait no more: nothing will end."""
        self._over.set()

    async def over(self) -> None:
        """Return when all have ended, or none will any more."""
        await self._over.wait()


class Watches:
    """All that are open. An end costs what those are who wait for it."""

    def __init__(self) -> None:
        self._by_drv: dict[DrvPath, list[Watch]] = {}
        self._open: set[Watch] = set()

    def open(self, drvs: Collection[DrvPath]) -> Watch:
        """Begin to wait; give it to `close` in any case."""
        watch = Watch(set(drvs))
        self._open.add(watch)
        for drv in watch.left:
            self._by_drv.setdefault(drv, []).append(watch)
        return watch

    def close(self, watch: Watch) -> None:
        """Forget it."""
        self._open.discard(watch)
        for drv in watch.left:
            others = self._by_drv.get(drv, [])
            if watch in others:
                others.remove(watch)
            if not others:
                self._by_drv.pop(drv, None)

    def ended(self, drv: DrvPath) -> None:
        """Tell all who wait for this one."""
        for watch in self._by_drv.pop(drv, ()):
            watch.strike((drv,))

    def end_all(self) -> None:
        """Tell all that nothing will end any more."""
        for watch in self._open:
            watch.end()
