"""Opens the credential sources that configuration names, and keeps what they gave for as long as it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import anyio
import attrs
import cattrs
from cattrs import Converter

from ekaci_core.api import Clock, CredentialSource, CredentialUse, EkaciError, InfrastructureFault, Lease, Logger
from ekaci_core.config.convert import WrongMembers, WrongValue, explain
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.registry import Instances, Registry
from ekaci_core.registry.guard import guarded

RESOLVE_SECONDS: Final = 30.0
"""The longest time that a source may take to read its secrets."""
EARLY_SECONDS: Final = 60.0
"""A lease is read anew so long before it ends."""


@attrs.define(eq=False)
class HeldSource:
    """A source whose lease is kept until shortly before its end, and which is asked by one at a time.

    While the source cannot be asked, a lease that still holds goes on.
    """

    _inner: CredentialSource
    _who: str
    _clock: Clock
    _log: Logger
    _lease: Lease | None = attrs.field(default=None, init=False)
    _asking: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)

    async def resolve(self) -> Lease:
        """Return the secrets.

        Raises:
            EkaciError: they cannot be had, and there is no lease that still holds.
        """
        async with self._asking:
            if self._lease is not None and self._holds(self._lease, EARLY_SECONDS):
                return self._lease
            try:
                self._lease = await self._read()
            except EkaciError as fault:
                if self._lease is None or not self._holds(self._lease, 0.0):
                    raise
                self._log.warning("credentials_not_renewed", who=self._who, reason=str(fault))
            return self._lease

    async def renew(self) -> Lease:
        """Read them anew whatever is kept: somebody was refused with them."""
        async with self._asking:
            self._lease = None
        return await self.resolve()

    def _holds(self, lease: Lease, early: float) -> bool:
        return lease.expires_at is None or lease.expires_at - early > self._clock.now()

    async def _read(self) -> Lease:
        def unexpected(surprise: object) -> Lease:
            raise InfrastructureFault(
                f"secrets cannot be read: {type(getattr(surprise, 'error', surprise)).__name__}",
                where=self._who,
                do="see whether the source can be reached; it is tried again",
            )

        # What a source raises against its contract is not shown: nobody knows what stands in it.
        return await guarded(
            self._inner.resolve, unexpected, who=self._who, log=_Quiet(self._log), deadline_seconds=RESOLVE_SECONDS
        )


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


@attrs.frozen
class Credentials:
    """The resolver that plugins are given. ``instances`` must have the server's own environment in its context."""

    _registry: Registry
    _instances: Instances
    _converter: Converter
    _clock: Clock
    _log: Logger
    _open: dict[str, HeldSource] = attrs.field(factory=dict)

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldSource:
        """Open a source for as long as the server runs.

        Raises:
            UsageFault: there is no such source, or its settings are wrong.
        """
        found = self._registry.credential_type(use.source)
        try:
            config = self._converter.structure(dict(use.settings), found.config)
        except (WrongValue, WrongMembers, cattrs.ClassValidationError) as error:
            raise ConfigurationFault(purpose, explain(error), do=f"mend the settings of {use.source}") from None
        inner = await self._instances.credential_source(use.source, config)
        held = HeldSource(inner, f"credentials {use.source} of {purpose}", self._clock, self._log)
        self._open[purpose] = held
        return held

    @property
    def uses(self) -> Mapping[str, HeldSource]:
        """All that are open, by purpose."""
        return dict(self._open)
