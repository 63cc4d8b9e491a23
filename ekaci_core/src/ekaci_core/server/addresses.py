"""Where the machines of a configuration are: asked when the server starts, and by ``ekaci config check``."""

from __future__ import annotations

from typing import Final

import anyio

from ekaci_core.api import AddressGuard, InfrastructureFault, UsageFault
from ekaci_core.builtin.addresses import CheckedAddresses
from ekaci_core.config.load import DO
from ekaci_core.config.machines import Machine, machines
from ekaci_core.config.problems import ConfigurationProblems, Problem
from ekaci_core.config.server import ServerConfig

RESOLVE_SECONDS: Final = 10.0
"""So long all names together may take."""


def addresses_of(config: ServerConfig) -> CheckedAddresses:
    """Return the guard that a configuration wishes."""
    return CheckedAddresses(config.security.allow_private_cache_hosts)


async def check_names(
    config: ServerConfig, addresses: AddressGuard, *, seconds: float = RESOLVE_SECONDS
) -> tuple[Problem, ...]:
    """Resolve the names of caches and Vaults; return those that do not resolve, which they may do later.

    Args:
        config: checked already.
        addresses: resolves and judges them.
        seconds: how long all together may take.

    Raises:
        ConfigurationProblems: a name leads to where nothing may lead.
    """
    asked = [each for each in machines(config) if each.resolves]
    silent = dict.fromkeys(asked, f"the name has not resolved within {seconds:g} s")
    faults: list[Problem] = []

    async def ask(machine: Machine) -> None:
        try:
            await addresses.resolve(machine.host, machine.port, reach=machine.reach)
        except UsageFault as fault:
            faults.append(_problem(config, machine, f"{fault.what}; {fault.do}"))
        except InfrastructureFault as fault:
            silent[machine] = fault.what
            return
        del silent[machine]

    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as tasks:
            for machine in dict.fromkeys(asked):
                tasks.start_soon(ask, machine)
    if faults:
        raise ConfigurationProblems(config.file.origin, sorted(faults, key=config.places.line), do=DO)
    return tuple(
        _problem(config, machine, f"{what}; it is asked again when it is used") for machine, what in silent.items()
    )


def _problem(config: ServerConfig, machine: Machine, what: str) -> Problem:
    return Problem(machine.at, f"{machine.host}: {what}", config.places.nearest(machine.at))
