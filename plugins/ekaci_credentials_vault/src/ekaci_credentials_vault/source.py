"""The credential source ``vault``: opened, asked in worker threads, and its token kept alive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.from_thread
import anyio.to_thread
import attrs

from ekaci_core.api import CredentialSource, EkaciError, Lease, Logger, PluginContext, Reach
from ekaci_credentials_vault.settings import VaultSettings, check

if TYPE_CHECKING:
    from ekaci_credentials_vault.session import VaultSession

THREADS: Final = 2
"""Of each source, and of nobody else: a Vault that hangs holds up nothing but itself."""
RETRY_SECONDS: Final = 15.0


@attrs.frozen
class VaultSource:
    """One secret of one Vault."""

    _session: VaultSession
    _where: str
    _log: Logger
    _threads: anyio.CapacityLimiter
    _read: anyio.Event = attrs.field(factory=anyio.Event)

    async def resolve(self) -> Lease:
        """Read the secret.

        Raises:
            UsageFault: Vault refuses, or has no such secret.
            InfrastructureFault: it cannot be reached, or is not ready.
        """
        try:
            return await anyio.to_thread.run_sync(self._session.read, abandon_on_cancel=True, limiter=self._threads)
        finally:
            self._read.set()

    async def keep_token(self) -> None:
        """Renew the token when half of its time has gone, without end."""
        await self._read.wait()
        failed = False
        while True:
            pause = self._session.pause()
            await anyio.sleep(RETRY_SECONDS if failed or pause is None else pause)
            if pause is None:
                continue
            try:
                await anyio.to_thread.run_sync(self._session.prolong, abandon_on_cancel=True, limiter=self._threads)
                failed = False
            except EkaciError as fault:
                failed = True
                self._log.warning("vault_token_not_renewed", where=self._where, reason=str(fault))


class VaultType:
    """Makes sources of Vault's secrets."""

    name: Final = "vault"
    config: Final = VaultSettings

    @asynccontextmanager
    async def open(self, config: VaultSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:
        """Open one. Vault is not asked yet: one that is away for now is no reason not to start.

        Raises:
            UsageFault: the settings cannot work.
        """
        check(config)
        from ekaci_credentials_vault.session import VaultSession  # noqa: PLC0415 - its libraries take a while to load

        def resolve(host: str, port: int) -> Sequence[str]:
            """Ask from the thread that is about to connect."""
            return anyio.from_thread.run(partial(context.addresses.resolve, host, port, reach=Reach.PRIVATE))

        session = VaultSession(config, context.environment, resolve, context.conceal)
        source = VaultSource(session, config.where, context.log, anyio.CapacityLimiter(THREADS))
        # Entered by hand: what is raised while it is open leaves as it came, never in a group.
        tasks = await anyio.create_task_group().__aenter__()
        tasks.start_soon(source.keep_token, name="token of Vault")
        try:
            yield source
        finally:
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)
            session.close()
