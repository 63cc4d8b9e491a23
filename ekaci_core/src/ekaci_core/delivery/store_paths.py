"""What Nix says of the paths that are to be pushed, and keeps of them; asked in batches."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import anyio.to_thread
import attrs

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import StorePath
from ekaci_core.nix.arguments import chunked
from ekaci_core.nix.path_info import PathInfo, invalid_paths, parse_path_info, path_info_commands
from ekaci_core.process import run

_SECONDS: Final = 600.0
_ANSWER_BYTES: Final = 512 * 1024 * 1024


class PathStore(Protocol):
    """The store of this machine."""

    async def infos(self, paths: Collection[StorePath], *, closure: bool = False) -> Mapping[StorePath, PathInfo]:
        """Describe those of these that are valid, with ``closure`` all that they refer to as well.

        Raises:
            InfrastructureFault: the store cannot be asked.
        """
        ...

    async def keep(self, paths: Sequence[StorePath]) -> None:
        """Keep these, and all that they refer to, from being collected.

        Raises:
            InfrastructureFault: they cannot be kept.
        """
        ...

    async def release(self, *, but: Collection[StorePath], before: float) -> None:
        """Let go of what was kept before a time, but for these paths.

        Raises:
            InfrastructureFault: the roots cannot be read or removed.
        """
        ...


@attrs.frozen
class NixPaths:
    """The real one. ``roots_dir`` holds the roots of what waits to be pushed."""

    environment: Mapping[str, str]
    roots_dir: Path

    async def infos(self, paths: Collection[StorePath], *, closure: bool = False) -> Mapping[StorePath, PathInfo]:
        """See `PathStore`."""
        invalid = await invalid_paths(sorted(paths), self.environment)
        found: dict[StorePath, PathInfo] = {}
        for argv in path_info_commands(sorted(set(paths) - invalid), closure=closure):
            answer = parse_path_info(await self._output(argv))
            found.update((path, info) for path, info in answer.items() if info is not None)
        return found

    async def keep(self, paths: Sequence[StorePath]) -> None:
        """See `PathStore`."""
        await anyio.to_thread.run_sync(_make, self.roots_dir)
        for some in chunked(paths):
            # The second root and those after it get the name with a number.
            link = self.roots_dir / uuid.uuid4().hex
            await self._output(["nix-store", "--realise", *some, "--add-root", str(link), "--indirect"])

    async def release(self, *, but: Collection[StorePath], before: float) -> None:
        """See `PathStore`."""
        await anyio.to_thread.run_sync(_release, self.roots_dir, frozenset(but), before)

    async def _output(self, argv: list[str]) -> bytes:
        done = await run(argv, env=self.environment, timeout_seconds=_SECONDS, max_output_bytes=_ANSWER_BYTES)
        if done.status != 0:
            what = f"Nix could not say what is to be pushed: {done.stderr.strip()[-400:]}"
            raise InfrastructureFault(what, where=" ".join(argv[:2]), do="see what Nix says")
        return done.stdout


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, "made", error) from error


def _release(folder: Path, but: Collection[str], before: float) -> None:
    try:
        for link in folder.iterdir() if folder.is_dir() else ():
            if link.is_symlink() and link.lstat().st_mtime < before and str(link.readlink()) not in but:
                link.unlink()
    except OSError as error:
        raise _unusable(folder, "removed", error) from error


def _unusable(folder: Path, what: str, error: OSError) -> InfrastructureFault:
    return InfrastructureFault(
        f"roots of what is pushed cannot be {what} ({error.strerror})",
        where=str(folder),
        do="see to the free space and the permissions of this folder",
    )
