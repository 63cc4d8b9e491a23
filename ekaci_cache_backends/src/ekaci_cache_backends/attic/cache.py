"""The cache type ``attic``: pushed to by its own program, or over HTTP where that is not on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import attrs

from ekaci_cache_backends.attic.destination import AtticDestination, parse_destination
from ekaci_cache_backends.attic.interface import AtticInterface, token_of
from ekaci_cache_backends.attic.path_infos import object_infos
from ekaci_cache_backends.attic.program import ATTIC_MESSAGES, configuration, told_paths
from ekaci_cache_backends.attic.upload import AtticUpload
from ekaci_cache_backends.endpoints import check_endpoint, parse_endpoint
from ekaci_cache_backends.private_home import find_program, private_home
from ekaci_cache_backends.refusals import failed, with_lease
from ekaci_cache_backends.tool_push import ToolPush
from ekaci_core.api import (
    AlreadyPresent,
    CacheConfig,
    EkaciError,
    HeldCredentials,
    InfrastructureFault,
    Lease,
    PluginContext,
    ProgramEnd,
    PushOutcome,
    PushRequest,
    Secret,
    StorePath,
    UsageFault,
    WriteLog,
)

if TYPE_CHECKING:
    from ekaci_cache_backends.guarded_http import GuardedHttp

WAYS: Final = "auto", "program", "http"


@attrs.frozen(kw_only=True)
class AtticConfig(CacheConfig):
    """A ``[[caches]]`` table with ``cache_type = "attic"``; ``destination`` is an address or ``server:cache``.

    Attributes:
        endpoint: where the server is, for ``server:cache``.
        push_by: ``program``, ``http``, or ``auto``: the program where it is on this machine.
        program: Attic's program, by name or path.
        timeout_seconds: so long may the server be silent over HTTP, also while it compresses what it got.
    """

    endpoint: str | None = None
    push_by: str = "auto"
    program: str = "attic"
    timeout_seconds: int = attrs.field(default=300, validator=[attrs.validators.ge(1), attrs.validators.le(3600)])


class AtticType:
    """Registers the cache type."""

    name: Final = "attic"
    config: Final = AtticConfig

    @asynccontextmanager
    async def open(self, config: AtticConfig, context: PluginContext) -> AsyncIterator[AtticCache]:
        """Open the cache, without talking to it.

        Raises:
            UsageFault: the destination or ``push_by`` cannot be used, or the server's address is not allowed.
            InfrastructureFault: the program is not on this machine, and nothing else was allowed.
        """
        from ekaci_cache_backends.guarded_http import guarded_http  # noqa: PLC0415 - its library takes a while to load

        where = f"cache {config.id}"
        if config.push_by not in WAYS:
            raise UsageFault(
                f"{config.push_by!r} is no way to push", where=f"{where}: push_by", do=f"write one of {', '.join(WAYS)}"
            )
        destination = parse_destination(config.destination, config.endpoint, where=where)
        await check_endpoint(destination.endpoint, context, where=where)
        found = None if config.push_by == "http" else find_program(config.program, context.environment)
        if found is None and config.push_by == "program":
            raise InfrastructureFault(
                f"the program {config.program!r} is not on this machine",
                where=where,
                do='install attic-client, name it in `program`, or write push_by = "http"',
            )
        credentials = await context.credentials.open(config.credentials, purpose=where)
        async with guarded_http(context, config.timeout_seconds) as http:
            yield AtticCache(where, destination, found, context, credentials, http)


@attrs.frozen
class AtticCache:
    """One cache of an Attic server. ``program`` pushes, HTTP where it is None."""

    where: str
    destination: AtticDestination
    program: str | None
    _context: PluginContext = attrs.field(repr=False)
    _credentials: HeldCredentials = attrs.field(repr=False)
    _http: GuardedHttp = attrs.field(repr=False)

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """Say which of these the cache has not."""
        if not paths:
            return frozenset()

        async def ask(lease: Lease) -> frozenset[StorePath]:
            return await self._interface.missing(paths, token_of(lease, self.where))

        return await with_lease(self._credentials, ask)

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """Bring paths there."""
        try:
            absent = await self.missing(request.paths)
            outcomes: dict[StorePath, PushOutcome] = {path: AlreadyPresent() for path in request.paths}
            rest = [path for path in outcomes if path in absent]
            if rest:
                outcomes |= await (self._upload if self.program is None else self._run_program)(rest, request.log)
        except EkaciError as fault:
            return dict.fromkeys(request.paths, failed(fault))
        return outcomes

    @property
    def _interface(self) -> AtticInterface:
        return AtticInterface(self._http, self.destination.endpoint, self.destination.cache, self.where)

    async def _upload(self, paths: Sequence[StorePath], log: WriteLog) -> Mapping[StorePath, PushOutcome]:
        infos = await object_infos(self._context.nix, paths)
        return await AtticUpload(self._interface, self._credentials, infos, log).push(paths)

    async def _run_program(self, paths: Sequence[StorePath], log: WriteLog) -> Mapping[StorePath, PushOutcome]:
        push = ToolPush(
            program="attic",
            where=self.where,
            table=ATTIC_MESSAGES,
            run=self._run,
            missing=self.missing,
            credentials=self._credentials,
            told=told_paths,
        )
        return await push.push(paths, log)

    async def _check(self, token: Secret) -> None:
        """See that the program may go where it will: to the server, and to where that sends it."""
        await check_endpoint(self.destination.endpoint, self._context, where=self.where, must_resolve=True)
        address = (await self._interface.profile(token)).api_endpoint
        if address is not None:
            endpoint = parse_endpoint(address, where=f"{self.where}: api-endpoint of the server")
            await check_endpoint(endpoint, self._context, where=self.where, must_resolve=True)

    async def _run(self, paths: Sequence[StorePath], lease: Lease, log: WriteLog) -> ProgramEnd:
        assert self.program is not None  # noqa: S101 - it pushes
        token = token_of(lease, self.where)
        await self._check(token)
        with private_home(self._context.environment) as home:
            home.write("config/attic/config.toml", configuration(self.destination, token))
            # Exactly these: which paths belong into the cache has been decided already.
            argv = [self.program, "push", "--no-closure", self.destination.reference, *paths]
            return await self._context.programs.run(argv, environment=home.environment, folder=home.folder, log=log)
