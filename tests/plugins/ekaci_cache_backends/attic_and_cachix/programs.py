"""Stand-ins of programs, put where they are found, and what they were given."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import attrs

HERE = Path(__file__).parent


@attrs.frozen
class Installed:
    """A stand-in in a folder of its own."""

    file: Path

    @property
    def started(self) -> list[dict[str, Any]]:
        """What it was given, each time."""
        log = self.file.with_name("started")
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def home(self) -> Path:
        """The home that it had last."""
        return Path(self.started[-1]["environment"]["HOME"])

    @property
    def home_is_gone(self) -> bool:
        return not self.home.exists()

    def linger(self) -> None:
        """Have it start a child, and wait for that, which takes ten minutes."""
        pids = str(self.file.with_name("pids"))
        self.instead(
            "import os, pathlib, subprocess\n"
            "child = subprocess.Popen(['sleep', '600'])\n"
            f"pathlib.Path({pids + '.new'!r}).write_text(f'{{os.getpid()}} {{child.pid}}')\n"
            f"os.rename({pids + '.new'!r}, {pids!r})\n"
            "child.wait()\n"
        )

    async def lingering(self) -> Sequence[str]:
        """Wait until it does, and return the numbers of both processes."""
        pids = self.file.with_name("pids")
        with anyio.fail_after(30):
            while not pids.exists():  # noqa: ASYNC110 - it is another process
                await anyio.sleep(0.01)
        return pids.read_text().split()

    def instead(self, code: str) -> None:
        """Have it run this, after it has noted what it was given; ``home`` is its home."""
        self.file.with_name("instead").write_text(code)


def running(pids: Sequence[str]) -> list[str]:
    """Return those of these processes that have not ended."""
    return [pid for pid in pids if _runs(pid)]


async def all_ended(pids: Sequence[str]) -> None:
    """Wait until these have: who is not our own child dies of its signal a moment after it was sent."""
    with anyio.fail_after(30):  # a child that nobody ends goes on for ten minutes
        while running(pids):  # noqa: ASYNC110 - another program's end sets no event
            await anyio.sleep(0.01)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def install(name: str, folder: Path) -> Installed:
    folder.mkdir()
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{(HERE / f'{name}_program.py').read_text()}")
    file.chmod(0o755)
    return Installed(file)
