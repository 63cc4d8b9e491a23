"""The builder: one conversation with the daemon for each build, over connections that are used again."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from ekaci_builder_daemon.connection import Connection, ConnectionLost, Refused
from ekaci_builder_daemon.operations import BuildResult, Options
from ekaci_builder_daemon.pool import Pool
from ekaci_builder_daemon.protocol import BuildStatus, Level
from ekaci_builder_daemon.roots import links_for, put_link
from ekaci_builder_daemon.wire import Unreadable
from ekaci_core.api import (
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    BuildState,
    HearNix,
    InLocalStore,
    NixEvent,
    NixMessage,
    Output,
    PluginContext,
    System,
    TransientKind,
)

# The core's own limits come first; the daemon's are there in case nobody closes the connection.
_SECOND_NET_SECONDS: Final = 30

_TROUBLE: Final = "daemon_trouble"

# Exit statuses of `nix-store --realise` for results that have one of their own
# (https://nix.dev/manual/nix/latest/command-ref/status-build-failure).
_FAILED: Final = 100
_OTHER_ERROR: Final = 1
_STATUS: Final[Mapping[int, int]] = {BuildStatus.TIMED_OUT: 101, BuildStatus.NOT_DETERMINISTIC: 104}
_UNSAID: Final[Mapping[int, str]] = {BuildStatus.DEPENDENCY_FAILED: "dependencies failed"}


@attrs.frozen
class DaemonBuilder(InLocalStore):
    """Builds in this machine's store. ``options`` are those of every build, but for its time limits."""

    name: str
    systems: frozenset[System]
    features: frozenset[str]
    slots: int
    options: Options
    pool: Pool
    context: PluginContext
    _told: set[str] = attrs.field(factory=set, init=False)

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make one attempt."""

        async def converse(hear: HearNix) -> int | BuildInterrupted:
            return await self._converse(request, hear)

        return (await self.context.nix.follow(request, converse)).outcome

    async def _converse(self, request: BuildRequest, hear: HearNix) -> int | BuildInterrupted:
        heard = _Heard(hear)
        try:
            try:
                return await self._over_a_connection(request, heard, fresh=False)
            except _Stale:  # a daemon that was started anew has closed those that waited for work
                return await self._over_a_connection(request, heard, fresh=True)
        except ConnectionLost as lost:
            when = "lost during the build" if heard.anything else "not to be had"
            reason = f"the connection to the Nix daemon was {when} ({lost}): check that nix-daemon runs"
            return self._troubled(reason, TransientKind.DAEMON)
        except Unreadable as unreadable:
            return self._troubled(f"the Nix daemon's answer was not understood: {unreadable}")
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = f"what was built could not be kept: {error.filename}: {error.strerror}"
            return self._troubled(reason, TransientKind.DISK if full else None)

    async def _over_a_connection(self, request: BuildRequest, heard: _Heard, *, fresh: bool) -> int | BuildInterrupted:
        async with self.pool.connection(fresh=fresh) as (connection, used):
            try:
                return await self._on(connection, request, heard)
            except ConnectionLost:
                if used and not heard.anything:
                    raise _Stale from None
                raise

    async def _on(self, connection: Connection, request: BuildRequest, heard: _Heard) -> int | BuildInterrupted:
        try:
            self._note(await connection.set_options(self._options_for(request, connection.hook)))
            result = await connection.build(request.derivation.path, heard.hear)
        except Refused as refused:
            heard.hear((refused.error,))
            return _OTHER_ERROR
        if result is None:
            return self._troubled("the Nix daemon was stopped", TransientKind.DAEMON)
        if not result.is_success:
            heard.hear((_error_of(result),))
            return _STATUS.get(result.status, _FAILED)
        try:
            return await self._keep(connection, request)
        except Refused as refused:
            return self._troubled(f"what was built could not be kept: {refused}")

    async def _keep(self, connection: Connection, request: BuildRequest) -> int | BuildInterrupted:
        """See that the outputs are where they should be, and make the roots while the connection still holds them."""
        drv = request.derivation
        outputs: Mapping[str, str] = {output.name: output.path for output in drv.outputs if output.path is not None}
        if len(outputs) < len(drv.outputs):
            outputs = await connection.output_paths(drv.path)
        if (gone := _missing(drv.outputs, outputs)) is not None:
            return self._troubled(f"the Nix daemon says that {drv.path} is built, but {gone} is not in the store")
        if request.gc_root is not None:
            for link, target in links_for(request.gc_root, outputs).items():
                put_link(link, target)
                await connection.add_indirect_root(link)
        self._told.discard(_TROUBLE)
        return 0

    def _options_for(self, request: BuildRequest, hook: str | None) -> Options:
        silence = math.ceil(request.no_output_timeout_seconds) + _SECOND_NET_SECONDS
        whole = math.ceil(request.max_duration_seconds) + _SECOND_NET_SECONDS
        more = {"builders": "", "build-poll-interval": "1", "timeout": str(whole)}
        if hook is not None:
            more["build-hook"] = hook
        return attrs.evolve(self.options, max_silent_seconds=silence, more={**more, **self.options.more})

    def _note(self, events: Iterable[NixEvent]) -> None:
        for event in events:
            if isinstance(event, NixMessage):
                self._once("daemon_says", event.text[:500])

    def _troubled(self, reason: str, transient: TransientKind | None = None) -> BuildInterrupted:
        self._once(_TROUBLE, reason)
        return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True, transient=transient)

    def _once(self, event: str, said: str) -> None:
        if event not in self._told:
            self._told.add(event)
            self.context.log.warning(event, builder=self.name, said=said)


class _Stale(Exception):
    """A connection that was used before is dead, and nothing was heard over it."""


class _Heard:
    """Passes on what is heard, and knows whether that was anything."""

    def __init__(self, hear: HearNix) -> None:
        self._hear = hear
        self.anything = False

    def hear(self, events: Iterable[NixEvent]) -> None:
        self.anything = True
        self._hear(events)


def _missing(wanted: Iterable[Output], outputs: Mapping[str, str]) -> str | None:
    for output in wanted:
        path = outputs.get(output.name)
        if path is None or not os.path.lexists(path):
            return path or f"its output {output.name}"
    return None


def _error_of(result: BuildResult) -> NixMessage:
    said = result.error or _UNSAID.get(result.status, "")
    return NixMessage(Level.ERROR, said, is_error=True)
