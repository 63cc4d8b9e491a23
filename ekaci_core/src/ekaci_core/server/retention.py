"""What stays of builds after a review: logs and roots of outputs, within bounds of age, size and use."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread
import attrs

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.store.contract import Store

_HASH: Final = re.compile(r"[0-9a-df-np-sv-z]{32}")
_DAY_SECONDS: Final = 24 * 60 * 60


@attrs.frozen
class LogLimits:
    """Bounds of all logs together.

    Attributes:
        total_bytes: over that, the oldest go.
        age_seconds: what nobody wrote for so long goes.
    """

    total_bytes: int = 2 * 1024**3
    age_seconds: float = 30 * _DAY_SECONDS


@attrs.frozen
class LogFolder:
    """The folder of one derivation's log. ``written_at`` is in seconds since the epoch, ``size`` in bytes."""

    path: Path
    written_at: float
    size: int

    @property
    def hash_part(self) -> str:
        """Which derivation's it is."""
        return self.path.name


def expired(logs: Iterable[LogFolder], limits: LogLimits, now: float) -> list[LogFolder]:
    """Choose the logs that are too old, and the oldest of the others as long as there is too much."""
    gone = []
    room = limits.total_bytes
    for log in sorted(logs, key=lambda each: (-each.written_at, each.path)):
        room -= log.size
        if room < 0 or now - log.written_at > limits.age_seconds:
            gone.append(log)
    return gone


@attrs.frozen
class Retention:
    """Removes what is not to stay. Only for who is alone, as others may be reading and writing there.

    Attributes:
        store: says what was built, and of what an evaluation is remembered.
        logs_dir: ``<hash>/build.log`` below it.
        roots_dir: ``<hash>-<name>`` in it are links to outputs.
        limits: of logs.
    """

    store: Store
    logs_dir: Path
    roots_dir: Path
    limits: LogLimits = LogLimits()

    async def sweep(self, *, now: float, since: float, keep: Collection[Path], forgotten: bool) -> None:
        """Remove logs over the limits and, where evaluations were ``forgotten``, all that none mentions any more.

        Args:
            now: the time, in seconds since the epoch.
            since: logs written from then on stay in any case.
            keep: logs that stay in any case, as a report names them.
            forgotten: whether evaluations were dropped; looking for what none mentions is not for every time.

        Raises:
            InfrastructureFault: the store or a directory fails.
        """
        mentioned: frozenset[str] | None = None
        if forgotten:
            mentioned = frozenset(drv.hash_part for drv in await self.store.mentioned_attempts())
        await anyio.to_thread.run_sync(self._sweep, now, since, {path.parent for path in keep}, mentioned)

    def _sweep(self, now: float, since: float, keep: Collection[Path], mentioned: frozenset[str] | None) -> None:
        try:
            logs = _logs_in(self.logs_dir)
            unknown = [] if mentioned is None else [log for log in logs if log.hash_part not in mentioned]
            for log in {*expired(logs, self.limits, now), *unknown}:
                if log.written_at < since and log.path not in keep:
                    shutil.rmtree(log.path)
            for root in () if mentioned is None else _roots_in(self.roots_dir, mentioned):
                root.unlink()
        except OSError as error:
            raise InfrastructureFault(
                f"old logs and roots cannot be removed ({error.strerror})",
                where=str(error.filename or self.logs_dir),
                do="Check the permissions of this directory, or remove it.",
            ) from error


def _logs_in(directory: Path) -> Sequence[LogFolder]:
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if _HASH.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                status = _status(Path(entry.path, "build.log")) or entry.stat()
                found.append(LogFolder(Path(entry.path), status.st_mtime, status.st_size))
    return found


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None  # its builder was stopped before it began to write


def _roots_in(directory: Path, mentioned: Collection[str]) -> Sequence[Path]:
    """List the roots of what is not mentioned."""
    if not directory.is_dir():
        return ()
    with os.scandir(directory) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if entry.is_symlink() and _HASH.fullmatch(part := entry.name[:32]) and part not in mentioned
        ]
