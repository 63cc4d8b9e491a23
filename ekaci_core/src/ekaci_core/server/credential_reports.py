"""Whether each configured use of credentials gets its secrets here and now, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import anyio
import attrs

from ekaci_core.api import Clock, CredentialUse, EkaciError, PluginContext, UsageFault
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.config.lacking import credential_uses
from ekaci_core.config.load import server_converter
from ekaci_core.config.server import ServerConfig
from ekaci_core.nix.environment import nix_environment
from ekaci_core.registry import Instances, Registry
from ekaci_core.server.addresses import addresses_of
from ekaci_core.server.configuring import shapes_of
from ekaci_core.server.credentials import Credentials
from ekaci_core.telemetry import conceal


@attrs.frozen
class CredentialReport:
    """What came of one use.

    Attributes:
        at: the address of its table, ``caches[0]``.
        id: what the table is called; its address where it has no name.
        source: the name of the source.
        names: the names of what was found.
        expires_at: when it ends, in seconds since the epoch; None if it stays.
        fault: why there is nothing; None if there is.
    """

    at: str
    id: str
    source: str
    names: tuple[str, ...] = ()
    expires_at: float | None = None
    fault: EkaciError | None = None


class _Silence:
    """A log for what is reported anyway."""

    def debug(self, event: str, /, **fields: object) -> None:
        """Drop it."""

    info = warning = debug


async def credential_reports(
    config: ServerConfig, registry: Registry, environment: Mapping[str, str], clock: Clock, *, only: str | None = None
) -> tuple[CredentialReport, ...]:
    """Ask every source that is configured, all at once.

    Args:
        config: checked already.
        registry: knows the sources.
        environment: this process's own.
        clock: time.
        only: the id or the address of one table.

    Raises:
        UsageFault: there is no such table, or none that uses credentials.
    """
    uses = [each for each in _named(config) if only is None or only in each[:2]]
    if only is not None and not uses:
        there = ", ".join(dict.fromkeys(name for name, _, _ in _named(config))) or "none"
        raise UsageFault(
            f"nothing called {only} uses credentials", where=config.file.origin, do=f"name one of: {there}"
        )
    log = _Silence()
    own = dict(environment)
    context = PluginContext(
        clock=clock, log=log, environment=own, nix=_nix(environment), addresses=addresses_of(config), conceal=conceal
    )
    found: dict[str, CredentialReport] = {}
    async with Instances(registry, context) as instances:
        credentials = Credentials(registry, instances, server_converter(shapes_of(registry)), clock, log)

        async def ask(name: str, at: str, use: CredentialUse) -> None:
            try:
                lease = await (await credentials.open(use, purpose=at)).resolve()
            except EkaciError as fault:
                found[at] = CredentialReport(at, name, use.source, fault=fault)
            else:
                names = tuple(sorted(lease.secrets))
                found[at] = CredentialReport(at, name, use.source, names, lease.expires_at)

        async with anyio.create_task_group() as tasks:
            for each in uses:
                tasks.start_soon(ask, *each)
    return tuple(found[at] for _, at, _ in uses)


def _named(config: ServerConfig) -> Iterator[tuple[str, str, CredentialUse]]:
    names = {each.at: each.config.id for each in config.forges} | {each.at: each.id for each in config.caches}
    for each in credential_uses(config):
        yield names.get(each.table) or each.table, each.at.removesuffix(".credentials"), each.use


def _nix(environment: Mapping[str, str]) -> NixCommands:
    return NixCommands(nix_environment(environment))
