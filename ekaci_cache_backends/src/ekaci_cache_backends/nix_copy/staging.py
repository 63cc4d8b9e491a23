"""Where Nix makes the files of a push, before they are sent."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_cache_backends.nix_copy.config import SIGNING_KEY
from ekaci_cache_backends.nix_copy.destination import store_url
from ekaci_cache_backends.nix_copy.narinfo import narinfo_name, stub
from ekaci_cache_backends.nix_copy.nix import Nix, PathFacts
from ekaci_cache_backends.nix_copy.trouble import Trouble
from ekaci_core.api import HeldCredentials, Lease, StorePath, UsageFault, WriteLog

# What Nix says when a file is whole differs from version to version; that it gets its name only then does not.
_LOOK_SECONDS: Final = 0.05


@attrs.frozen
class Press:
    """Has Nix write paths as files of a binary cache.

    Attributes:
        nix: runs it.
        folder: below this each push has a folder of its own.
        writing: parameters of Nix: compression and the like.
        signing_key: signs; None where nothing does.
        where: the use of the key, in messages.
    """

    nix: Nix
    folder: Path
    writing: Mapping[str, str]
    signing_key: HeldCredentials | None
    where: str

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        """Make a folder for one push, gone with all that is in it when it is left.

        Raises:
            EkaciError: there is no key to sign with.
        """
        parameters = dict(self.writing)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            if self.signing_key is not None:
                parameters["secret-key"] = str(folder / "key")
                _write_key(folder / "key", await self.signing_key.resolve(), self.where)
            for name in ("cache", "out"):
                (folder / name).mkdir()
            yield Stage(self.nix, folder / "cache", folder / "out", parameters)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


@attrs.frozen
class Stage:
    """The files of one push."""

    _nix: Nix
    folder: Path
    _out: Path
    _parameters: Mapping[str, str]

    async def write(
        self, batch: Mapping[StorePath, PathFacts], log: WriteLog, whole: Callable[[StorePath], None]
    ) -> None:
        """Write the files of some paths, in an order in which references come first.

        Args:
            batch: the paths.
            log: takes what Nix prints.
            whole: told of each path as soon as all its files are there.

        Raises:
            Trouble: Nix failed; what ``whole`` was not told of is not there.
        """
        here = {path.base_name for path in batch}
        for path, fact in batch.items():
            for name in fact.references:
                file = self.folder / f"{name[:32]}.narinfo"
                if name not in here and not file.exists():
                    file.write_text(stub(f"{path.rpartition('/')[0]}/{name}"))
        waiting = dict.fromkeys(batch)
        failure: Trouble | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look, waiting, whole)
            try:
                await self._nix.copy(batch, store_url(self.folder, self._parameters), log)
            except Trouble as trouble:
                failure = trouble
            tasks.cancel_scope.cancel()
        self._tell(waiting, whole)
        if failure is not None:
            raise failure

    def narinfo(self, path: StorePath) -> tuple[Path, str]:
        """Return a copy of a narinfo that may be taken away, and its text: Nix looks at its own while it writes."""
        name = narinfo_name(path)
        os.link(self.folder / name, self._out / name)
        return self._out / name, (self._out / name).read_text()

    def small_file(self, name: str, content: bytes) -> Path:
        """Write another file that may be taken away."""
        (self._out / name).write_bytes(content)
        return self._out / name

    async def _look(self, waiting: dict[StorePath, None], whole: Callable[[StorePath], None]) -> None:
        while waiting:
            await anyio.sleep(_LOOK_SECONDS)
            self._tell(waiting, whole)

    def _tell(self, waiting: dict[StorePath, None], whole: Callable[[StorePath], None]) -> None:
        there = {entry.name for entry in os.scandir(self.folder)}
        for path in [path for path in waiting if narinfo_name(path) in there]:
            del waiting[path]
            whole(path)


def _write_key(file: Path, lease: Lease, where: str) -> None:
    secrets = lease.secrets
    if SIGNING_KEY not in secrets and len(secrets) != 1:
        found = ", ".join(sorted(secrets)) or "nothing"
        do = f"call the key {SIGNING_KEY}, or let the source give nothing else"
        raise UsageFault(f"which secret is the key? There is {found}", where=where, do=do)
    key = secrets.get(SIGNING_KEY) or next(iter(secrets.values()))
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(key.reveal().strip())
