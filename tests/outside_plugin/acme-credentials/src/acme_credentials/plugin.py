"""Secrets that a command prints: ``credentials = { acme = { command = ["pass", "show", "ci/s3"] } }``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from ekaci_core.api import (
    CredentialSource,
    CredentialType,
    InfrastructureFault,
    Lease,
    NotKeyValues,
    PluginContext,
    UsageFault,
    parse_key_values,
)
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@attrs.frozen
class AcmeSettings:
    """What stands between the braces; anything else there is a fault with its address."""

    command: tuple[str, ...]


@attrs.frozen
class AcmeSource:
    """Runs the command each time; the core keeps what it gives for as long as it holds."""

    settings: AcmeSettings
    context: PluginContext

    async def resolve(self) -> Lease:
        """Read the secrets now."""
        where = f"acme: {self.settings.command[0]}"
        # What a program returns is masked once its secrets are known; what it hands over as it runs is not.
        printed: list[bytes] = []
        ended = await self.context.programs.run(
            self.settings.command, environment=self.context.environment, log=printed.append
        )
        if ended.status != 0:
            do = "run it by hand, as the person whom the server runs as"
            raise InfrastructureFault(f"the command ended with status {ended.status}", where=where, do=do)
        try:
            return Lease(parse_key_values(b"".join(printed).decode(errors="replace")))
        except NotKeyValues as error:  # which says where, and nothing of what stands there
            do = "have it print lines of the form NAME=VALUE"
            raise UsageFault(f"what the command prints are no secrets: {error}", where=where, do=do) from None


class AcmeType:
    """Makes sources."""

    name = "acme"
    config = AcmeSettings

    @asynccontextmanager
    async def open(self, config: AcmeSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:
        """Open one for as long as somebody uses it."""
        if not config.command:
            raise UsageFault("the command is empty", where="acme", do='write it as ["program", "argument"]')
        yield AcmeSource(config, context)


@hookimpl
def ekaci_register_credential_types() -> list[CredentialType]:
    """Tell EkaCI of it."""
    return [AcmeType()]
