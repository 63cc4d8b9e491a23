"""Where a review keeps what it knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from ekaci_core.model.errors import InfrastructureFault, UsageFault


@attrs.frozen
class Places:
    """Folders and files below ``$XDG_CACHE_HOME/ekaci``."""

    cache: Path

    @property
    def database(self) -> Path:
        """What was evaluated and built."""
        return self.cache / "reviews.sqlite"

    @property
    def logs(self) -> Path:
        """``<hash>/build.log`` for each derivation built."""
        return self.cache / "build-logs"

    @property
    def roots(self) -> Path:
        """Garbage collector roots of evaluations and outputs."""
        return self.cache / "gc-roots"

    @property
    def outputs(self) -> Path:
        """Of the roots, those of outputs: links named ``<hash>-<name>``."""
        return self.roots / "outputs"

    @property
    def lock(self) -> Path:
        """What every review that runs has a share of."""
        return self.cache / "reviews.lock"

    @property
    def worktrees(self) -> Path:
        """Checkouts of base and head, while a review runs."""
        return self.cache / "worktrees"

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Places:
        """Find the place by the XDG base directory specification.

        Raises:
            UsageFault: neither ``XDG_CACHE_HOME`` nor ``HOME`` says where.
        """
        cache = environment.get("XDG_CACHE_HOME", "")
        if not cache.startswith("/"):  # the specification: a relative path is invalid and to be ignored
            home = environment.get("HOME", "")
            if not home:
                raise UsageFault("neither XDG_CACHE_HOME nor HOME is set", do="set one of them to a folder to write in")
            cache = f"{home}/.cache"
        return cls(Path(cache) / "ekaci")

    def make(self) -> None:
        """Make the folders.

        Raises:
            InfrastructureFault: they cannot be made or written.
        """
        for folder in (self.cache, self.logs, self.roots, self.worktrees):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise InfrastructureFault(
                    f"cannot make this folder: {error.strerror}",
                    where=str(folder),
                    do="set XDG_CACHE_HOME to a folder that you may write in",
                ) from error
