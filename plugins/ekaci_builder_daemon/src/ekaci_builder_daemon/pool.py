"""Connections that are used again: the daemon makes a process for each, which costs more than a small build."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import attrs

from ekaci_builder_daemon.connection import Connection, Refused
from ekaci_builder_daemon.hook import Hook
from ekaci_core.api import Clock

_BUILDS_EACH: Final = 200
_IDLE_SECONDS: Final = 30.0


@attrs.define
class _Held:
    connection: Connection
    builds: int = 0
    since: float = 0.0


class Pool:
    """Lends connections, each to one build at a time; makes as many as are needed.

    The daemon keeps from its garbage collector what was built over a connection, until that is closed: so none is
    kept for long without work, or for ever.
    """

    def __init__(self, path: Path, clock: Clock, hook: Hook) -> None:
        self._path = path
        self._hook = hook
        self._clock = clock
        self._idle: list[_Held] = []

    @asynccontextmanager
    async def connection(self, *, fresh: bool = False) -> AsyncIterator[tuple[Connection, bool]]:
        """Lend a connection, and say whether it was used before. After an exception it is not used again.

        Args:
            fresh: make one in any case.

        Raises:
            ConnectionLost: there is no daemon, or it does not answer.
            Unreadable: whoever answers is no Nix daemon that is understood.
        """
        held = None if fresh else self._reusable()
        if held is None:
            held = _Held(await Connection.open(self._path))
        try:
            if not held.builds:
                held.connection.hook = await self._hook.held_by(held.connection)
            yield held.connection, held.builds > 0
        except Refused:
            self._give_back(held)
            raise
        except BaseException:
            held.connection.close()
            raise
        self._give_back(held)

    async def tidy(self) -> None:
        """Close connections that are idle for too long; runs until it is cancelled."""
        while True:
            await anyio.sleep(_IDLE_SECONDS)
            oldest = self._clock.monotonic() - _IDLE_SECONDS
            for held in [each for each in self._idle if each.since <= oldest]:
                self._idle.remove(held)
                held.connection.close()

    def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            self._idle.pop().connection.close()

    def _reusable(self) -> _Held | None:
        while self._idle:
            held = self._idle.pop()  # the youngest, so that the others grow old
            if held.connection.is_idle:
                return held
            held.connection.close()
        return None

    def _give_back(self, held: _Held) -> None:
        held.builds += 1
        held.since = self._clock.monotonic()
        if held.builds < _BUILDS_EACH and held.connection.is_idle:
            self._idle.append(held)
        else:
            held.connection.close()
