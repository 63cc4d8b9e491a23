"""The builder type ``ssh``: how it is configured, opened, and found in Nix's own configuration."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import attrs

from ekaci_builder_ssh.builder import SshBuilder
from ekaci_builder_ssh.circuit import CircuitSettings
from ekaci_builder_ssh.connection import connection_to
from ekaci_builder_ssh.machine import BadValue, Machine, checked_host_key, checked_uri
from ekaci_builder_ssh.machines import parse_machines
from ekaci_core.api import InfrastructureFault, PluginContext, System, UsageFault

_CONFIG: Final = "--extra-experimental-features", "nix-command"


def _with_scheme(uri: str) -> str:
    # As `checked_uri`, which may refuse it later: a machine that is named twice is to be seen.
    return uri if "://" in uri else f"ssh://{uri}"


@attrs.frozen
class SshBuilderConfig:
    """Configuration of one machine; all but ``uri`` may be left out.

    Attributes:
        uri: ``ssh-ng://user@host`` or ``ssh://user@host``.
        systems: platforms it builds for; otherwise this machine's own.
        max_jobs: builds at once.
        speed_factor: how fast it is beside others, 1 for ordinary.
        supported_features: system features it has.
        mandatory_features: features without which it takes no build.
        ssh_key: path of the private key; otherwise what ssh finds.
        host_key: its public host key, as the line of ``/etc/ssh/ssh_host_ed25519_key.pub`` there; otherwise ssh's
            known hosts count.
        breaker: how patient to be with a machine that does not answer.
    """

    uri: str = attrs.field(converter=_with_scheme)
    systems: tuple[str, ...] | None = None
    max_jobs: int = 1
    speed_factor: float = 1.0
    supported_features: tuple[str, ...] = ()
    mandatory_features: tuple[str, ...] = ()
    ssh_key: str | None = None
    host_key: str | None = None
    breaker: CircuitSettings = attrs.field(factory=CircuitSettings)


class SshBuilderType:
    """Registers the builder."""

    name = "ssh"
    config = SshBuilderConfig

    @asynccontextmanager
    async def open(self, config: SshBuilderConfig, context: PluginContext) -> AsyncIterator[SshBuilder]:
        """Open the builder. The machine is not asked: one that is away for now is no reason not to start.

        Raises:
            InfrastructureFault: there is no ssh, the key is not there, or Nix does not say this machine's platform.
            UsageFault: the configuration describes no machine.
        """
        machine = machine_of(config)
        systems = machine.systems or (str((await _settings(context)).get("system", "")),)
        with tempfile.TemporaryDirectory(prefix="ekaci-ssh-") as folder:
            connection = connection_to(machine, Path(folder), context.environment)
            offered = frozenset(map(System.parse, systems))
            builder = SshBuilder(machine, offered, connection, context, config.breaker)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(builder.watch)
                try:
                    yield builder
                finally:
                    tasks.cancel_scope.cancel()

    async def discover(self, context: PluginContext) -> list[SshBuilderConfig]:
        """Return the machines of Nix's own setting ``builders``, by default those of ``/etc/nix/machines``.

        Raises:
            MachinesFault: a line describes no machine.
            InfrastructureFault: Nix does not say its settings.
        """
        text = str((await _settings(context)).get("builders", ""))
        return [config_of(machine) for machine in parse_machines(text, where="builders")]


def machine_of(config: SshBuilderConfig) -> Machine:
    """Return the machine that a configuration describes.

    Raises:
        UsageFault: it describes none; the message says which key is wrong and what to write.
    """
    if config.max_jobs < 0:
        raise UsageFault("must not be negative", where="builders.max_jobs", do="write 1 or more")
    if not config.speed_factor > 0:
        raise UsageFault("must be greater than 0", where="builders.speed_factor", do="write 1 for an ordinary machine")
    key = "uri"
    try:
        uri = checked_uri(config.uri)
        key = "host_key"
        host_key = None if config.host_key is None else checked_host_key(config.host_key)
    except BadValue as bad:
        raise UsageFault(bad.what, where=f"builders.{key}", do=bad.do) from None
    return Machine(
        uri=uri,
        systems=config.systems or (),
        ssh_key=config.ssh_key,
        max_jobs=config.max_jobs,
        speed_factor=config.speed_factor,
        supported_features=config.supported_features,
        mandatory_features=config.mandatory_features,
        host_key=host_key,
    )


def config_of(machine: Machine) -> SshBuilderConfig:
    """Return the configuration that describes a machine of Nix's own."""
    return SshBuilderConfig(
        uri=machine.uri,
        systems=machine.systems or None,
        max_jobs=machine.max_jobs,
        speed_factor=machine.speed_factor,
        supported_features=machine.supported_features,
        mandatory_features=machine.mandatory_features,
        ssh_key=machine.ssh_key,
        host_key=machine.host_key,
    )


async def _settings(context: PluginContext) -> dict[str, Any]:
    said = ""
    for words in (("config", "show"), ("show-config",)):  # the name since 2.20, and the one before
        done = await context.nix.run(["nix", *_CONFIG, *words, "--json"])
        if done.status == 0:
            try:
                return {name: entry["value"] for name, entry in json.loads(done.stdout).items() if "value" in entry}
            except (ValueError, TypeError, AttributeError):
                said = "its answer was not understood"
                continue
        said = said or done.stderr.strip().partition("\n")[0]
    raise InfrastructureFault(f"Nix does not say its settings: {said}", where="nix config show", do="run that command")
