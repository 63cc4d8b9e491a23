"""The type ``nix-copy``: from a table of the configuration to an open cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import attrs

from ekaci_cache_backends.nix_copy.binary_cache import BinaryCache
from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.destination import HttpPlace, Place, S3Place, SshPlace, parse_destination
from ekaci_cache_backends.nix_copy.folder import FolderShelves
from ekaci_cache_backends.nix_copy.http import HttpShelves
from ekaci_cache_backends.nix_copy.nix import Nix
from ekaci_cache_backends.nix_copy.shelves import Shelves
from ekaci_cache_backends.nix_copy.staging import Press
from ekaci_core.api import Cache, HeldCredentials, InfrastructureFault, PluginContext, UsageFault


@attrs.frozen
class NixCopyType:
    """Opens caches of this type."""

    name: str = attrs.field(default="nix-copy", init=False)
    config: type[NixCopyConfig] = attrs.field(default=NixCopyConfig, init=False)

    @asynccontextmanager
    async def open(self, config: NixCopyConfig, context: PluginContext) -> AsyncIterator[Cache]:
        """Open a cache; nothing is sent yet.

        Raises:
            UsageFault: the destination cannot be used, or may not be reached.
            InfrastructureFault: there is no Nix.
        """
        place = parse_destination(config.destination)
        folder = Path(tempfile.mkdtemp(prefix="ekaci-push-", dir=context.environment.get("TMPDIR") or None))
        try:
            home = folder / "home"
            home.mkdir()
            nix = Nix(context, home)
            if shutil.which("nix", path=nix.environment["PATH"]) is None:
                raise InfrastructureFault("there is no program nix", where=config.id, do="put it on the server's PATH")
            yield await _opened(config, place, context, nix, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


async def _opened(config: NixCopyConfig, place: Place, context: PluginContext, nix: Nix, folder: Path) -> Cache:
    purpose = f"cache {config.id}"
    if isinstance(place, SshPlace):
        raise UsageFault("only folders and HTTP can be pushed to", where=purpose, do="write file:///PATH")
    held = await context.credentials.open(config.credentials, purpose=purpose)
    limiter = anyio.CapacityLimiter(config.uploads)
    shelves: Shelves
    if isinstance(place, HttpPlace):
        shelves = HttpShelves(place, context.addresses, limiter, config.timeout_seconds, folder)
    elif isinstance(place, S3Place):
        from ekaci_cache_backends.nix_copy.s3 import S3Shelves  # noqa: PLC0415 - AWS's library takes a while to load

        shelves = S3Shelves(place, context.addresses, limiter, config.timeout_seconds)
    else:
        shelves = FolderShelves(place.folder, limiter)
    try:
        await shelves.check()
    except InfrastructureFault as fault:  # tomorrow its name may resolve
        context.log.warning("cache_not_reached", cache=config.id, error=str(fault))
    where = f"{purpose}: signing_key"
    key: HeldCredentials | None = None
    if config.signing_key is not None:
        key = await context.credentials.open(config.signing_key, purpose=where)
    return BinaryCache(shelves, held, Press(nix, folder, place.writing, key, where), config.uploads)
