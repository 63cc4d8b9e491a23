"""A credential source while it is used: its lease is kept for as long as it holds, and renewed before it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import anyio
import attrs

from ekaci_core.api import Clock, CredentialSource, EkaciError, InfrastructureFault, Lease, Logger, Secret
from ekaci_core.registry.apart import LEFT_BEHIND_AFTER_SECONDS
from ekaci_core.registry.guard import guarded

RESOLVE_SECONDS: Final = 30.0
"""The longest time that a source may take to read its secrets."""
EARLY_SECONDS: Final = 60.0
"""A lease is read anew so long before it ends, or when a tenth of it is left where that is less."""
BEHIND_SECONDS: Final = 240.0
"""In the background a lease is read anew so much earlier, so that whoever needs it never waits."""
LOOK_SECONDS: Final = 15 * 60.0
"""Secrets without an end are read anew so often: somebody may have replaced them."""
RETRY_SECONDS: Final = 30.0
"""A source that could not be asked is asked again after so long."""


@attrs.frozen
class Standing:
    """How it is with a source.

    Attributes:
        purpose: what uses it.
        source: its name.
        names: the names of the secrets that it gave last.
        expires_at: when they end, in seconds since the epoch; None for those that stay, or where there are none.
        read_at: when they were read; None if they never were.
        fault: why they could not be read the last time; None where they could.
        holds: whether there is a lease that can be used.
        down_since: since when they cannot be read; None where they could the last time.
    """

    purpose: str
    source: str
    names: tuple[str, ...]
    expires_at: float | None
    read_at: float | None
    fault: str | None
    holds: bool
    down_since: float | None = None


@attrs.define(eq=False)
class HeldSource:
    """A source whose lease is kept, and which is asked by one at a time.

    While the source cannot be asked, a lease that still holds goes on. ``learn`` is told the secrets of each lease
    before anybody else is.
    """

    _inner: CredentialSource
    _source: str
    _purpose: str
    _clock: Clock
    _log: Logger
    _learn: Callable[[str, Mapping[str, Secret]], None]
    _lease: Lease | None = attrs.field(default=None, init=False)
    _read_at: float | None = attrs.field(default=None, init=False)
    _fault: EkaciError | None = attrs.field(default=None, init=False)
    _down_since: float | None = attrs.field(default=None, init=False)
    _asking: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)
    _changed: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    async def resolve(self) -> Lease:
        """Return the secrets.

        Raises:
            EkaciError: they cannot be had, and there is no lease that still holds.
        """
        async with self._asking:
            if self._lease is not None and self._left(self._lease) > self._early(self._lease):
                return self._lease
            try:
                return await self._read()
            except EkaciError:
                if self._lease is None or self._left(self._lease) <= 0:
                    raise
                return self._lease

    async def renew(self, refused: Lease | None = None) -> Lease:
        """Read them anew, whatever is kept: somebody was refused with them.

        Args:
            refused: what was used; if it has been replaced meanwhile, what replaced it is returned and nobody asked.

        Raises:
            EkaciError: they cannot be had. What is kept stays, for others and while it holds.
        """
        async with self._asking:
            if refused is not None and self._lease is not None and self._lease is not refused:
                return self._lease
            return await self._read()

    async def keep(self) -> None:
        """Read anew what ends soon or may have been replaced, without end. Nothing is read before it was needed."""
        while True:
            changed = self._changed
            if self._read_at is None and self._fault is None:
                await changed.wait()
                continue
            with anyio.move_on_after(self._pause()):
                await changed.wait()
                continue
            async with self._asking:
                if self._changed is changed:
                    try:
                        await self._read()
                    except EkaciError:
                        continue  # it was logged, and `standing` says so

    def standing(self) -> Standing:
        """Say how it is with it."""
        lease = self._lease
        return Standing(
            self._purpose,
            self._source,
            tuple(sorted(lease.secrets)) if lease else (),
            lease.expires_at if lease else None,
            self._read_at,
            str(self._fault) if self._fault else None,
            lease is not None and self._left(lease) > 0,
            self._down_since,
        )

    def _left(self, lease: Lease) -> float:
        return float("inf") if lease.expires_at is None else lease.expires_at - self._clock.now()

    def _early(self, lease: Lease) -> float:
        """How long before its end it counts as ended: a lease that is shorter than that must be of use too."""
        if lease.expires_at is None or self._read_at is None:
            return EARLY_SECONDS
        return min(EARLY_SECONDS, (lease.expires_at - self._read_at) / 10)

    def _pause(self) -> float:
        if self._fault is not None or self._lease is None:
            return RETRY_SECONDS
        early = self._early(self._lease)
        return min(
            LOOK_SECONDS, max(self._left(self._lease) - early * (1 + BEHIND_SECONDS / EARLY_SECONDS), early, 1.0)
        )

    async def _read(self) -> Lease:
        try:
            lease = await self._asked()
        except EkaciError as fault:
            self._fault = fault
            if self._down_since is None:
                self._down_since = self._clock.now()
            until = self._lease and self._lease.expires_at
            self._log.warning("credentials_not_renewed", who=self._who, reason=str(fault), what_is_kept_ends=until)
            raise
        else:
            self._learn(self._purpose, lease.secrets)
            now = self._clock.now()
            if self._down_since is not None:
                self._log.info("credentials_back", who=self._who, after_seconds=now - self._down_since)
            self._fault, self._down_since, self._lease, self._read_at = None, None, lease, now
            return lease
        finally:
            self._changed.set()
            self._changed = anyio.Event()

    async def _asked(self) -> Lease:
        def unexpected(surprise: object) -> Lease:
            raise InfrastructureFault(
                f"secrets cannot be read: {type(getattr(surprise, 'error', surprise)).__name__}",
                where=self._who,
                do="see whether the source can be reached; it is tried again",
            )

        # What a source raises against its contract is not shown: nobody knows what stands in it.
        return await guarded(
            self._inner.resolve,
            unexpected,
            who=self._who,
            log=_Quiet(self._log),
            deadline_seconds=RESOLVE_SECONDS,
            left_behind_after_seconds=LEFT_BEHIND_AFTER_SECONDS,
        )

    @property
    def _who(self) -> str:
        return f"credentials {self._source} of {self._purpose}"


@attrs.frozen
class _Quiet:
    """A log for surprises around secrets: that there was one, and never what it says."""

    _log: Logger

    def debug(self, event: str, /, **fields: object) -> object:
        return self._log.debug(event, who=fields.get("who"))

    def info(self, event: str, /, **fields: object) -> object:
        return self._log.info(event, who=fields.get("who"))

    def warning(self, event: str, /, **fields: object) -> object:
        return self._log.warning(event, who=fields.get("who"))
