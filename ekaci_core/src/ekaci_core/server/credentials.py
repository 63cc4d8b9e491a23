"""Opens the credential sources that configuration names, and keeps what they gave for as long as it holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.abc
import attrs
import cattrs
from cattrs import Converter

from ekaci_core.api import Clock, CredentialUse, EkaciError, Logger, Secret
from ekaci_core.config.convert import WrongMembers, WrongValue, explain
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.registry import Instances, Registry
from ekaci_core.server.held_source import HeldSource, Standing
from ekaci_core.telemetry import REDACTOR

_NOT_SECRET: Final = frozenset({"AWS_REGION", "AWS_DEFAULT_REGION", "GITHUB_APP_ID"})
"""What leases hold beside secrets, and logs are to show."""


@attrs.define
class Credentials:
    """The resolver that plugins are given. ``instances`` must have the server's own environment in its context."""

    _registry: Registry
    _instances: Instances
    _converter: Converter
    _clock: Clock
    _log: Logger
    _open: dict[str, HeldSource] = attrs.field(factory=dict, init=False)
    _tasks: anyio.abc.TaskGroup | None = attrs.field(default=None, init=False)

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
        held = HeldSource(inner, use.source, purpose, self._clock, self._log, _learn)
        self._open[purpose] = held
        if self._tasks is not None:
            self._tasks.start_soon(held.keep, name=f"credentials of {purpose}")
        return held

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew in the background, while this is open, what is opened meanwhile."""
        # Entered by hand: what is raised while it is open leaves as it came, never in a group.
        self._tasks = tasks = await anyio.create_task_group().__aenter__()
        try:
            yield
        finally:
            self._tasks = None
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)

    async def reload(self) -> tuple[Standing, ...]:
        """Read everything anew, and say how it is with each; one that fails keeps what it had."""
        async with anyio.create_task_group() as tasks:
            for held in self._open.values():
                tasks.start_soon(_renewed, held)
        return self.standing()

    def standing(self) -> tuple[Standing, ...]:
        """Say how it is with each source that is open, by purpose: for metrics and pages."""
        return tuple(self._open[purpose].standing() for purpose in sorted(self._open))

    @property
    def uses(self) -> Mapping[str, HeldSource]:
        """All that are open, by purpose."""
        return dict(self._open)


def _learn(purpose: str, secrets: Mapping[str, Secret]) -> None:
    REDACTOR.learn(purpose, [secret for name, secret in secrets.items() if name not in _NOT_SECRET])


async def _renewed(held: HeldSource) -> None:
    try:
        await held.renew()
    except EkaciError:
        return  # it was logged, and `standing` says so
