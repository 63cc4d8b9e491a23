"""Where a server keeps what it knows."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from ekaci_core.api import InfrastructureFault, UsageFault
from ekaci_core.config.server import ServerConfig


@attrs.frozen
class ServerPlaces:
    """Folders and files, as the configuration says."""

    database: Path
    logs: Path
    workspace: Path

    @classmethod
    def of(cls, config: ServerConfig) -> ServerPlaces:
        """Read them from a configuration."""
        return cls(config.db_path, config.logs_dir, config.workspace_root)

    @property
    def roots(self) -> Path:
        """Garbage collector roots of evaluations and outputs, which belong to the database."""
        return self.database.parent / "gc-roots"

    @property
    def evaluations(self) -> Path:
        """Of the roots, those of evaluations."""
        return self.roots / "evaluations"

    @property
    def outputs(self) -> Path:
        """Of the roots, those of outputs."""
        return self.roots / "outputs"

    @property
    def pushes(self) -> Path:
        """Of the roots, those of what waits to be pushed to caches."""
        return self.roots / "pushes"

    @property
    def repositories(self) -> Path:
        """Bare copies of repositories at forges."""
        return self.workspace / "repositories"

    @property
    def worktrees(self) -> Path:
        """Checkouts, while something is evaluated."""
        return self.workspace / "worktrees"

    @property
    def hooks(self) -> Path:
        """A folder for each hook that runs."""
        return self.workspace / "hooks"

    def make(self) -> None:
        """Make the folders.

        Raises:
            InfrastructureFault: one cannot be made.
        """
        for folder in (self.database.parent, self.logs, self.roots, self.repositories, self.worktrees):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            except OSError as error:
                raise InfrastructureFault(
                    f"this folder cannot be made: {error.strerror}",
                    where=str(folder),
                    do="see to its permissions, or set db_path, logs_dir or workspace_root to other places",
                ) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the database against a second server; the kernel lets go of it however this one ends.

        Raises:
            UsageFault: another server has it.
            InfrastructureFault: the lock cannot be made.
        """
        path = self.database.with_name(f"{self.database.name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InfrastructureFault(
                f"the lock of the database cannot be made: {error.strerror}",
                where=str(path),
                do="see to its permissions",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UsageFault(
                "another server works with this database",
                where=str(self.database),
                do="stop it, or set another db_path",
            ) from None
        try:
            yield
        finally:
            os.close(descriptor)
