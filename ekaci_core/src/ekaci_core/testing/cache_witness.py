"""Everything that a cache under test is given, and that it might betray a secret by: watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import anyio
import attrs

from ekaci_core.api import (
    CredentialUse,
    HeldCredentials,
    InfrastructureFault,
    Lease,
    NixAnswer,
    PluginContext,
    ProgramEnd,
    Reach,
    Secret,
    UsageFault,
    WriteLog,
)
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.builtin.programs import ProgramCommands
from ekaci_core.testing.builders import RealClock


@attrs.define
class CacheWitness:
    """Makes the context of a cache, and notes what goes through it.

    Attributes:
        environment: of the context.
        leases: what each use of a source gives, by the name of the source; the later ones after renewing.
        allowed: addresses that may be reached, beside public ones.
        said: everything that was logged, written to logs of pushes, or raised.
        started: command lines of programs, with their environments.
        running: how many programs run now.
        renewals: how often credentials were renewed.
        resolved: the hosts that were asked about.
    """

    environment: Mapping[str, str]
    leases: Mapping[str, Sequence[Mapping[str, str]]] = attrs.field(factory=dict, repr=False)
    allowed: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    said: list[str] = attrs.field(factory=list, repr=False)
    started: list[tuple[tuple[str, ...], Mapping[str, str | Secret]]] = attrs.field(factory=list)
    running: int = 0
    renewals: int = 0
    resolved: list[str] = attrs.field(factory=list)

    @property
    def context(self) -> PluginContext:
        """What ``open`` is given."""
        return PluginContext(
            clock=RealClock(),
            log=_WatchedLog(self),
            environment=self.environment,
            nix=_WatchedNix(self.environment, witness=self),
            credentials=_PlantedCredentials(self),
            programs=_WatchedPrograms(self),
            addresses=_WatchedAddresses(self),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """All secrets that were planted."""
        return tuple(value for given in self.leases.values() for lease in given for value in lease.values())

    def write_log(self, data: bytes) -> None:
        """Take what a push prints."""
        self.said.append(data.decode(errors="replace"))

    def betrayed(self) -> list[str]:
        """Say where secrets can be read that must not be: in what was said, in argv, bare in an environment."""
        found = [f"said: {text}" for text in self.said if self._holds_secret(text)]
        for argv, environment in self.started:
            found += [f"argv: {argv[0]}" for word in argv if self._holds_secret(word)]
            found += [
                f"environment of {argv[0]}: {name}"
                for name, value in environment.items()
                if not isinstance(value, Secret) and self._holds_secret(value)
            ]
        return found

    def _holds_secret(self, text: str) -> bool:
        return any(secret in text for secret in self.secrets)

    @asynccontextmanager
    async def watching(self, argv: Sequence[str], environment: Mapping[str, str | Secret]) -> AsyncIterator[None]:
        """Note a program for as long as it runs."""
        self.started.append((tuple(argv), environment))
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


@attrs.frozen
class _WatchedLog:
    _witness: CacheWitness

    def debug(self, event: str, /, **fields: object) -> None:
        self._witness.said.append(f"{event} {fields}")

    info = warning = debug


@attrs.frozen
class _WatchedPrograms:
    _witness: CacheWitness
    _inner: ProgramCommands = attrs.field(factory=ProgramCommands)

    async def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret],
        stdin: bytes = b"",
        folder: Path | None = None,
        log: WriteLog | None = None,
    ) -> ProgramEnd:
        async with self._witness.watching(argv, environment):
            return await self._inner.run(argv, environment=environment, stdin=stdin, folder=folder, log=log)


@attrs.frozen(kw_only=True)
class _WatchedNix(NixCommands):
    witness: CacheWitness

    async def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_seconds: float = 60
    ) -> NixAnswer:
        given = self.environment if environment is None else environment
        async with self.witness.watching(argv, given):
            return await super().run(argv, environment=given, timeout_seconds=timeout_seconds)


@attrs.frozen
class _PlantedCredentials:
    _witness: CacheWitness

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldCredentials:
        if use.source != "none" and use.source not in self._witness.leases:
            raise UsageFault(f"there is no source {use.source}", where=purpose, do="choose another")
        return _Planted(self._witness, [_lease(each) for each in self._witness.leases.get(use.source, [{}])])


def _lease(values: Mapping[str, str]) -> Lease:
    return Lease({name: Secret(value) for name, value in values.items()})


@attrs.define
class _Planted:
    _witness: CacheWitness
    _left: list[Lease]

    async def resolve(self) -> Lease:
        await anyio.lowlevel.checkpoint()
        return self._left[0]

    async def renew(self, refused: Lease | None = None) -> Lease:
        await anyio.lowlevel.checkpoint()
        if refused is None or refused is self._left[0]:
            self._witness.renewals += 1
            if len(self._left) > 1:
                del self._left[0]
        return self._left[0]


@attrs.frozen
class _WatchedAddresses:
    _witness: CacheWitness

    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:
        self._witness.resolved.append(host)
        try:
            found: Iterable[Any] = await anyio.getaddrinfo(host, port)
        except OSError:
            raise InfrastructureFault("the name does not resolve", where=host, do="see the name servers") from None
        addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses:
            if address not in self._witness.allowed and not ip_address(address).is_global:
                what = f"{address} is not allowed ({reach.value})"
                raise UsageFault(what, where=host, do="set security.allow_private_cache_hosts")
        return addresses
