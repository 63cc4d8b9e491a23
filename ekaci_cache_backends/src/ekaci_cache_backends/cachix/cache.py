"""The cache type ``cachix``: pushed to by its own program, asked over HTTP.

Facts are those of the program's documentation and public source (https://docs.cachix.org,
https://github.com/cachix/cachix): ``CACHIX_AUTH_TOKEN`` and ``CACHIX_SIGNING_KEY``, one argument per path, and
``POST /api/v1/cache/NAME/narinfo``, which takes hashes and returns those that are missing. Uploads are left to the
program: they go in parts to storage elsewhere, at addresses that are signed for each of them, and are described nowhere
but in its source.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import attrs

from ekaci_cache_backends.cachix.interface import CachixInterface
from ekaci_cache_backends.cachix.messages import CACHIX_MESSAGES, SkippedPaths
from ekaci_cache_backends.endpoints import Endpoint, check_endpoint, parse_endpoint
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
    PushFailed,
    PushOutcome,
    PushRequest,
    Secret,
    StorePath,
    UsageFault,
    WriteLog,
)

if TYPE_CHECKING:
    from ekaci_cache_backends.guarded_http import GuardedHttp

SERVICE: Final = "https://cachix.org"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECRETS: Final = ("CACHIX_AUTH_TOKEN", "CACHIX_SIGNING_KEY")


@attrs.frozen(kw_only=True)
class CachixConfig(CacheConfig):
    """A ``[[caches]]`` table with ``cache_type = "cachix"``; ``destination`` is the name of a cache.

    Attributes:
        endpoint: where the service is, for those who run their own.
        program: the program, by name or path.
        timeout_seconds: so long may the service be silent where it is asked what is missing.
    """

    endpoint: str = SERVICE
    program: str = "cachix"
    timeout_seconds: int = attrs.field(default=60, validator=[attrs.validators.ge(1), attrs.validators.le(3600)])


class CachixType:
    """Registers the cache type."""

    name: Final = "cachix"
    config: Final = CachixConfig

    @asynccontextmanager
    async def open(self, config: CachixConfig, context: PluginContext) -> AsyncIterator[CachixCache]:
        """Open the cache, without talking to it.

        Raises:
            UsageFault: the destination is no name of a cache, or the service's address is not allowed.
            InfrastructureFault: the program is not on this machine.
        """
        from ekaci_cache_backends.guarded_http import guarded_http  # noqa: PLC0415 - its library takes a while to load

        where = f"cache {config.id}"
        if not _NAME.fullmatch(config.destination):
            raise UsageFault(
                f"{config.destination!r} is no name of a Cachix cache",
                where=f"{where}: destination",
                do='write the name alone, such as destination = "my-cache"',
            )
        endpoint = parse_endpoint(config.endpoint, where=f"{where}: endpoint")
        await check_endpoint(endpoint, context, where=where)
        if find_program(config.program, context.environment) is None:
            raise InfrastructureFault(
                f"the program {config.program!r} is not on this machine",
                where=where,
                do="install cachix (https://docs.cachix.org/installation), or name it in `program`",
            )
        credentials = await context.credentials.open(config.credentials, purpose=where)
        async with guarded_http(context, config.timeout_seconds) as http:
            yield CachixCache(config, endpoint, context, credentials, http)


@attrs.frozen
class CachixCache:
    """One cache at Cachix."""

    _config: CachixConfig
    _endpoint: Endpoint
    _context: PluginContext = attrs.field(repr=False)
    _credentials: HeldCredentials = attrs.field(repr=False)
    _http: GuardedHttp = attrs.field(repr=False)

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """Say which of these the cache has not."""
        if not paths:
            return frozenset()
        interface = CachixInterface(self._http, self._endpoint, self._config.destination, self._where)

        async def ask(lease: Lease) -> frozenset[StorePath]:
            return await interface.missing(paths, lease.secrets.get("CACHIX_AUTH_TOKEN"))

        return await with_lease(self._credentials, ask)

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """Bring paths there."""
        try:
            absent = await self.missing(request.paths)
        except EkaciError as fault:
            return dict.fromkeys(request.paths, failed(fault))
        outcomes: dict[StorePath, PushOutcome] = {path: AlreadyPresent() for path in request.paths}
        skipped = SkippedPaths(request.log)
        push = ToolPush(
            program="cachix",
            where=self._where,
            table=CACHIX_MESSAGES,
            run=self._run,
            missing=self.missing,
            credentials=self._credentials,
        )
        outcomes |= await push.push([path for path in outcomes if path in absent], skipped.write)
        for path in absent & skipped.found(absent):
            outcomes[path] = PushFailed("cachix skipped it: the store of this machine does not have it")
        return outcomes

    @property
    def _where(self) -> str:
        return f"cache {self._config.id}"

    async def _run(self, paths: Sequence[StorePath], lease: Lease, log: WriteLog) -> ProgramEnd:
        secrets = {name: lease.secrets[name] for name in _SECRETS if name in lease.secrets}
        if not secrets:
            raise UsageFault(
                "the credentials hold no CACHIX_AUTH_TOKEN",
                where=f"{self._where}: credentials",
                do='write credentials = { cachix-token = { env_var = "CACHIX_AUTH_TOKEN" } }',
            )
        await check_endpoint(self._endpoint, self._context, where=self._where, must_resolve=True)
        with private_home(self._context.environment) as home:
            environment: dict[str, str | Secret] = {**home.environment, **secrets}
            argv = [self._config.program, *self._host, "push", self._config.destination, *paths]
            return await self._context.programs.run(argv, environment=environment, folder=home.folder, log=log)

    @property
    def _host(self) -> Sequence[str]:
        return () if self._endpoint.url == f"{SERVICE}/" else ("--hostname", self._endpoint.url.rstrip("/"))
