"""The type ``nix-copy``: from a table of the configuration to an open cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import attrs

from ekaci_cache_backends.nix_copy.binary_cache import BinaryCache
from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.destination import (
    FolderPlace,
    HttpPlace,
    Place,
    S3Place,
    SshPlace,
    parse_destination,
)
from ekaci_cache_backends.nix_copy.folder import FolderShelves
from ekaci_cache_backends.nix_copy.http import HttpShelves
from ekaci_cache_backends.nix_copy.nix import Nix
from ekaci_cache_backends.nix_copy.shelves import Shelves
from ekaci_cache_backends.nix_copy.ssh import OtherStore
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
    held = await context.credentials.open(config.credentials, purpose=purpose)
    if isinstance(place, SshPlace):
        if config.signing_key is not None:
            do = "sign on this machine with secret-key-files in nix.conf, or leave signing_key out"
            raise UsageFault(
                "a store is not signed for: only binary caches are", where=f"{purpose}: signing_key", do=do
            )
        other = OtherStore(place, nix, held, context.addresses, folder, config.timeout_seconds)
        await _checked(other.check, config, context)
        return other
    shelves = _shelves(config, place, context, folder)
    await _checked(shelves.check, config, context)
    where = f"{purpose}: signing_key"
    key: HeldCredentials | None = None
    if config.signing_key is not None:
        key = await context.credentials.open(config.signing_key, purpose=where)
    return BinaryCache(shelves, held, Press(nix, folder, place.writing, key, where), config.uploads)


def _shelves(
    config: NixCopyConfig, place: FolderPlace | HttpPlace | S3Place, context: PluginContext, folder: Path
) -> Shelves:
    limiter = anyio.CapacityLimiter(config.uploads)
    match place:
        case HttpPlace():
            return HttpShelves(place, context.addresses, limiter, config.timeout_seconds, folder)
        case S3Place():
            try:
                from ekaci_cache_backends.nix_copy.s3 import S3Shelves  # noqa: PLC0415 - its library may be missing
            except ModuleNotFoundError as error:
                do = "pip install 'ekaci-cache-backends[s3]'"
                raise UsageFault(f"S3 needs the Python package {error.name}", where=config.id, do=do) from None

            return S3Shelves(place, context.addresses, limiter, config.timeout_seconds)
        case FolderPlace():
            return FolderShelves(place.folder, limiter)


async def _checked(check: Callable[[], Awaitable[None]], config: NixCopyConfig, context: PluginContext) -> None:
    try:
        await check()
    except InfrastructureFault as fault:  # tomorrow its name may resolve
        context.log.warning("cache_host_not_found", cache=config.id, error=str(fault))
