"""The folder that one run of a hook has to itself."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.logs import DamagedLog, chunks, open_log
from ekaci_core.process.sandbox import USER

_PASSWD: Final = f"hook:x:{USER}:{USER}::/home/hook:/bin/sh\n"
_GROUP: Final = f"hook:x:{USER}:\n"


@attrs.frozen
class HookPlace:
    """Folders and files of one run."""

    root: Path

    @property
    def home(self) -> Path:
        """What a hook in a sandbox has as its home."""
        return self.root / "home"

    @property
    def tmp(self) -> Path:
        """For temporary files."""
        return self.root / "tmp"

    @property
    def nix(self) -> Path:
        """The state of Nix that a hook in a sandbox has."""
        return self.root / "nix"

    @property
    def build_log(self) -> Path:
        """The build's log, whole and plain."""
        return self.root / "build.log"

    @property
    def passwd(self) -> Path:
        """Who there is in a sandbox."""
        return self.root / "passwd"

    @property
    def group(self) -> Path:
        """Which groups there are in a sandbox."""
        return self.root / "group"

    def make(self, log: Path) -> None:
        """Make all of it; ``log`` is the build's log as it is kept.

        Raises:
            OSError: something cannot be written.
        """
        self.remove()
        self.root.mkdir(parents=True, mode=0o700)
        for folder in (self.home, self.tmp, self.nix):
            folder.mkdir(mode=0o700)
        self.passwd.write_text(_PASSWD)
        self.group.write_text(_GROUP)
        with self.build_log.open("wb") as file:
            for data in _read(log):
                file.write(data)

    def remove(self) -> None:
        """Remove all of it, whatever the hook made of the permissions.

        Raises:
            OSError: something cannot be removed.
        """
        if self.root.is_dir():
            _open_up(self.root)
            shutil.rmtree(self.root)


def remove_left_over(folder: Path) -> list[OSError]:
    """Remove the places of runs whose server is gone; only for who is alone with the folder.

    Returns:
        What could not be removed, and why.
    """
    faults = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            HookPlace(place).remove()
        except OSError as error:
            faults.append(error)
    return faults


def _read(log: Path) -> Iterator[bytes]:
    """Read a log in whatever form it is; one that is gone or damaged has nothing to say."""
    try:
        with open_log(log) as found:
            yield from chunks(found)
    except (FileNotFoundError, DamagedLog):
        return


def _open_up(folder: Path) -> None:
    for here, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(here, name)
            if stat.S_ISDIR(path.lstat().st_mode):  # never through a link that leads elsewhere
                path.chmod(0o700)
