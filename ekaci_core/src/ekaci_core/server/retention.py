"""What stays of builds after a review: logs and roots of outputs, within bounds of age, size and use.

Logs that stay are compressed, but for those that the report names.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread
import attrs

from ekaci_core.logs import SEAL_FROM_BYTES, is_live, seal, sweep_unfinished
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.store.contract import Store

_HASH: Final = re.compile(r"[0-9a-df-np-sv-z]{32}")
_DAY_SECONDS: Final = 24 * 60 * 60
# The logs of pushes to caches begin so. They are appended to, and short: they stay as they are.
_PUSH: Final = "hook-push-"
# Of the build, and of each hook that was run of it; the forms in which `LogFiles` keeps a log have more behind.
_LOG: Final = re.compile(r"(build\.log|hook-.+\.log)((?:\.gz)?(?:\.\d{20}|\.[^.]*\.?new)?)")


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
    """The folder of one derivation's logs: of its build, and of hooks.

    ``written_at`` is in seconds since the epoch, ``size`` in bytes; ``finished`` says that nothing is left to compress.
    """

    path: Path
    written_at: float
    size: int
    finished: bool = True

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
        logs_dir: the log of each derivation has a folder below it.
        roots_dir: ``<hash>-<name>`` in it are links to outputs.
        limits: of logs.
    """

    store: Store
    logs_dir: Path
    roots_dir: Path
    limits: LogLimits = LogLimits()

    async def sweep(self, *, now: float, since: float, keep: Collection[Path], forgotten: bool) -> None:
        """Compress logs, remove those over the limits and, where evaluations were ``forgotten``, what none mentions.

        Args:
            now: the time, in seconds since the epoch.
            since: logs written from then on stay in any case.
            keep: logs that stay as they are in any case, as a report names them.
            forgotten: whether evaluations were dropped; looking for what none mentions is not for every time.

        Raises:
            InfrastructureFault: the store or a directory fails.
        """
        mentioned = logged = None
        if forgotten:
            mentioned = frozenset(drv.hash_part for drv in await self.store.mentioned_attempts())
            # What was never built here may have been pushed, which has a log as well.
            logged = mentioned.union(drv.hash_part for drv in await self.store.pushed_derivations())
        kept = {path.parent for path in keep}
        await anyio.to_thread.run_sync(self._sweep, now, since, kept, mentioned, logged)

    def _sweep(
        self,
        now: float,
        since: float,
        keep: Collection[Path],
        mentioned: frozenset[str] | None,
        logged: frozenset[str] | None,
    ) -> None:
        try:
            oldest = now - self.limits.age_seconds
            found = _logs_in(self.logs_dir)
            logs, faults = _compressed(found, {*keep, *(log.path for log in found if log.written_at < oldest)})
            unknown = [] if logged is None else [log for log in logs if log.hash_part not in logged]
            for log in {*expired(logs, self.limits, now), *unknown}:
                if log.written_at < since and log.path not in keep and not _in_use(log.path):
                    shutil.rmtree(log.path)
            for root in () if mentioned is None else _roots_in(self.roots_dir, mentioned):
                root.unlink()
            if faults:  # only now: removing is what a full disk needs
                raise faults[0]
        except OSError as error:
            raise InfrastructureFault(
                f"old logs and roots cannot be compressed or removed ({error.strerror})",
                where=str(error.filename or self.logs_dir),
                do="Check the permissions of this directory, or remove it.",
            ) from error


def _logs_in(directory: Path) -> Sequence[LogFolder]:
    with os.scandir(directory) as entries:
        folders = [each.path for each in entries if _HASH.fullmatch(each.name) and each.is_dir(follow_symlinks=False)]
    return [_measured(Path(each)) for each in folders]


def _measured(folder: Path) -> LogFolder:
    """Look at the files of a log; where its builder was stopped before it began to write, at the folder."""
    with os.scandir(folder) as entries:
        found = [(each.name, each.stat(follow_symlinks=False)) for each in entries]
    written_at = max((status.st_mtime for _, status in found), default=None)
    return LogFolder(
        folder,
        folder.stat().st_mtime if written_at is None else written_at,
        sum(status.st_size for _, status in found),
        finished=all(_is_finished(name, status.st_size) for name, status in found),
    )


def _is_finished(name: str, size: int) -> bool:
    form = _LOG.fullmatch(name)
    if form is not None and name.startswith(_PUSH):
        return True
    return form is not None and (form[2] == ".gz" or (form[2] == "" and size < SEAL_FROM_BYTES))


def _logs_of(folder: Path) -> list[Path]:
    """Name the logs in a folder by their plain files, whatever form they are in."""
    with os.scandir(folder) as entries:
        return sorted({folder / form[1] for each in entries if (form := _LOG.fullmatch(each.name))})


def _in_use(folder: Path) -> bool:
    return any(is_live(path) for path in _logs_of(folder))


def _compressed(logs: Iterable[LogFolder], but: Collection[Path]) -> tuple[list[LogFolder], list[OSError]]:
    """Compress what nobody got round to, and remove what a crash left beside it; return what could not be done too."""
    after, faults = [], []
    for log in logs:
        if log.finished or log.path in but:
            after.append(log)
            continue
        for path in _logs_of(log.path):
            if path.name.startswith(_PUSH):
                continue
            try:
                sweep_unfinished(path)
                seal(path)
            except OSError as error:
                faults.append(error)
        after.append(_measured(log.path))
    return after, faults


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
