"""Starting a program in a session of its own."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.process.faults import ProgramMissing
from ekaci_core.process.output import CHUNK

_PROBE_SECONDS: Final = 10
_UNLESS_ORPHANED: Final = '[ "$PPID" = "$0" ] && exec "$@"'


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    stdin: int,
    stderr: int,
    die_with_parent: bool,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start ``argv`` with stdout on a pipe; pipes are non-blocking on our side. It has the ``inherited`` descriptors.

    Raises:
        ProgramMissing: there is no such program.
        InfrastructureFault: the system refused to start it.
    """
    program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
    if program is None:
        raise ProgramMissing(argv[0])
    command = [*(_dying_with_parent() if die_with_parent else ()), program, *argv[1:]]
    try:
        child = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            start_new_session=True,
            pass_fds=inherited,
        )
    except OSError as error:
        raise InfrastructureFault(
            f"cannot start {argv[0]}: {error.strerror or error}",
            where=str(error.filename or program),
            do="check that the program and its working directory exist, and that memory and processes are left",
        ) from error
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            _prepare(pipe)
    return child


def _prepare(pipe: IO[bytes]) -> None:
    os.set_blocking(pipe.fileno(), False)
    try:
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, CHUNK)
    except (OSError, AttributeError):
        return  # over the user's share of pipe memory, or not Linux: the default size works too


def _dying_with_parent() -> tuple[str, ...]:
    """Return the command in front of a program that makes it get SIGTERM when we die, killed or not.

    util-linux's setpriv sets the parent death signal after the fork and replaces itself by the program. Doing that
    between fork and exec in Python would run Python code in a forked copy of a process with threads. It costs about
    a millisecond a child. Without such a setpriv children outlive a kill -9 of ours. Linux means the death of
    the thread that started the child, so an event loop outside the main thread must not end before its children.

    A parent that dies before the signal is set sends none: once it is set, the shell looks who the parent is.
    """
    prefix = _death_signal()
    return (*prefix, "/bin/sh", "-c", _UNLESS_ORPHANED, str(os.getpid())) if prefix else ()


@functools.cache
def _death_signal() -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    prefix = (setpriv, "--pdeathsig", "TERM", "--")
    try:
        probe = subprocess.run(
            [*prefix, setpriv, "--version"], capture_output=True, check=False, timeout=_PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return prefix if probe.returncode == 0 else ()
