"""What anybody on the machine can see of processes, looked at again and again while something runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs


@attrs.define
class Sampled:
    """What was seen. A process that lives shorter than a look takes may be missed.

    Attributes:
        commands: command lines, words between NULs.
        environments: with the command line that each belongs to.
        looks: how often all processes were looked at.
    """

    commands: set[bytes] = attrs.field(factory=set)
    environments: set[tuple[bytes, bytes]] = attrs.field(factory=set)
    looks: int = 0

    def look(self) -> None:
        """Look at all processes once."""
        for process in Path("/proc").iterdir():
            if not process.name.isdecimal():
                continue
            try:
                command = (process / "cmdline").read_bytes()
                environment = (process / "environ").read_bytes()
                same = (process / "cmdline").read_bytes() == command
            except OSError:
                continue  # it has gone, or is somebody else's
            self.commands.add(command)
            if same:  # between fork and exec it still is its parent
                self.environments.add((command, environment))
        self.looks += 1


@contextmanager
def sampled() -> Iterator[Sampled]:
    """Look at processes as often as possible while this is open."""
    found, stop = Sampled(), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            found.look()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        stop.set()
        watching.join()


def recording_git(folder: Path, git: str) -> Path:
    """Make a ``git`` in a folder of its own that writes down its words and then is the real one."""
    folder.mkdir()
    said = folder / "words"
    program = folder / "git"
    program.write_text(f"""#!/bin/sh\nprintf '%s\\n' "$@" >> {said}\nexec {git} "$@"\n""")
    program.chmod(0o755)
    return said
