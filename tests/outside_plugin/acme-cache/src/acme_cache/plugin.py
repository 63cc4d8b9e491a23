"""A folder that others serve: ``[[caches]] cache_type = "acme"``, its ``destination`` an absolute path."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from ekaci_core.api import (
    AlreadyPresent,
    Cache,
    CacheConfig,
    CacheType,
    HeldCredentials,
    InfrastructureFault,
    PluginContext,
    Pushed,
    PushFailed,
    PushOutcome,
    PushRequest,
    StorePath,
    UsageFault,
)
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@attrs.frozen(kw_only=True)
class AcmeConfig(CacheConfig):
    """The table's keys, beside those that every cache has."""

    compression: str = "xz"


@attrs.frozen
class AcmeCache:
    """Has Nix write archives, signed where the credentials have ``NIX_SIGNING_KEY``."""

    config: AcmeConfig
    credentials: HeldCredentials
    context: PluginContext
    private: Path

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """Look which have no file in the folder."""
        if not Path(self.config.destination).parent.is_dir():
            do = "create or mount it"
            raise InfrastructureFault("there is no such folder", where=self.config.destination, do=do)
        return frozenset(path for path in paths if not self._narinfo(path).exists())

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """Write them one by one, in the order in which they stand: what they refer to comes first."""
        return {path: await self._push(path, request) for path in request.paths}

    async def _push(self, path: StorePath, request: PushRequest) -> PushOutcome:
        if self._narinfo(path).exists():
            return AlreadyPresent()
        destination = f"file://{self.config.destination}?compression={self.config.compression}{await self._key()}"
        argv = ["nix", "copy", "--no-recursive", "--to", destination, path]
        ended = await self.context.programs.run(argv, environment=self.context.environment, log=request.log)
        if ended.status == 0:
            return Pushed()
        is_here = await self.context.nix.run(["nix-store", "--check-validity", path])
        return PushFailed(ended.output.strip() or "nix copy failed", transient=is_here.status == 0)

    async def _key(self) -> str:
        key = (await self.credentials.resolve()).secrets.get("NIX_SIGNING_KEY")
        if key is None:
            return ""
        file = self.private / "key"
        file.touch(0o600)
        file.write_text(key.reveal())
        return f"&secret-key={file}"

    def _narinfo(self, path: StorePath) -> Path:
        return Path(self.config.destination, f"{path.removeprefix('/nix/store/')[:32]}.narinfo")


class AcmeType:
    """Makes caches."""

    name = "acme"
    config = AcmeConfig

    @asynccontextmanager
    async def open(self, config: AcmeConfig, context: PluginContext) -> AsyncIterator[Cache]:
        """Open one; nothing is written yet."""
        if not Path(config.destination).is_absolute():
            raise UsageFault("the destination is no absolute path", where=config.id, do="write it as /srv/cache")
        credentials = await context.credentials.open(config.credentials, purpose=f"cache {config.id}")
        with TemporaryDirectory(prefix="acme-") as private:  # only its owner may look into it
            yield AcmeCache(config, credentials, context, Path(private))


@hookimpl
def ekaci_register_cache_types() -> list[CacheType]:
    """Tell EkaCI of it."""
    return [AcmeType()]
