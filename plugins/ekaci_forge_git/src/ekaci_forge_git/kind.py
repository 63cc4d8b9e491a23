"""The forge type ``git``: how it is configured and opened."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ekaci_core.api import PluginContext
from ekaci_forge_git.config import GitRemoteConfig, Remote

if TYPE_CHECKING:
    from ekaci_forge_git.forge import GitForge


class GitRemoteType:
    """Registers the forge."""

    name = "git"
    table = "git_remotes"
    webhook_path = None
    config = GitRemoteConfig

    @asynccontextmanager
    async def open(self, config: GitRemoteConfig, context: PluginContext) -> AsyncIterator[GitForge]:
        """Open a remote. It is not asked: that it is away for now is no reason not to start.

        Raises:
            UsageFault: the table describes no repository.
            InfrastructureFault: the folder of the copy cannot be used.
        """
        # What speaks HTTP takes a while to import, and most commands never open a forge.
        from ekaci_forge_git.access import Access  # noqa: PLC0415
        from ekaci_forge_git.cache import Cache  # noqa: PLC0415
        from ekaci_forge_git.forge import GitForge  # noqa: PLC0415
        from ekaci_forge_git.git import Git  # noqa: PLC0415
        from ekaci_forge_git.looking import Looking  # noqa: PLC0415
        from ekaci_forge_git.notes import Notes  # noqa: PLC0415
        from ekaci_forge_git.posting import Posting  # noqa: PLC0415

        where = f"{self.table}.{config.id}" if config.id else self.table
        remote = Remote.of(config, where)
        posting = None
        if config.post_url is not None:
            posting = Posting(config.post_url, config.post_secret, context.addresses, where=f"{where}.post_url")
        access = await Access.opened(config, remote, context, where)
        folder = _folder(config, context.environment)
        git = Git(context.programs, context.environment, folder, remote.protocol)
        cache = Cache(git, remote, config.changes, access, clock=context.clock, log=context.log)
        await cache.prepare()
        looking = Looking(cache)
        notes = Notes(cache, access, context.log) if config.notes else None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(looking.run)
            try:
                yield GitForge(config, cache, looking, notes, posting)
            finally:
                tasks.cancel_scope.cancel()


def _folder(config: GitRemoteConfig, environment: Mapping[str, str]) -> Path:
    """Where the copy is: another address is another copy, also under the same name."""
    place = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME', '/var/cache')}/.cache"
    parent = Path(config.cache_folder) if config.cache_folder else Path(place) / "ekaci" / "git-remotes"
    return parent / f"{config.id.lower()}-{hashlib.sha256(config.url.encode()).hexdigest()[:12]}.git"
