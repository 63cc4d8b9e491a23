"""One call of git."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.git.environment import SETTINGS, as_options, git_environment
from ekaci_core.git.faults import fault_of
from ekaci_core.process.running import run

QUESTION_SECONDS: Final = 120.0
"""How long a question about refs or objects may take."""
FILES_SECONDS: Final = 1800.0
"""How long writing or reading a whole tree may take."""


@attrs.frozen
class Answer:
    """What a call of git gave back; ``stdout`` is raw, because paths need not be text."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """The output as text without its last line break; bytes that are not UTF-8 survive as surrogates."""
        return os.fsdecode(self.stdout).rstrip("\n")

    @property
    def records(self) -> tuple[str, ...]:
        """The output of ``-z``: records that end in NUL."""
        return tuple(os.fsdecode(record) for record in self.stdout.split(b"\0") if record)


@attrs.frozen
class Git:
    """Starts git in a directory. ``settings`` come on top of those that always hold."""

    directory: Path
    settings: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = attrs.field(factory=dict)

    async def ask(
        self,
        *arguments: str,
        stdin: bytes = b"",
        seconds: float = QUESTION_SECONDS,
        accept: Sequence[int] = (0,),
    ) -> Answer:
        """Run git and wait for it.

        Args:
            arguments: the command and its options. Refs that people typed never stand here: they go through ``stdin``.
            stdin: what git reads.
            seconds: how long it may take.
            accept: exit statuses that are answers rather than faults.

        Raises:
            UsageFault: git refused this repository.
            InfrastructureFault: git is missing (`ProgramMissing`), took too long or failed.
        """
        argv = ["git", *as_options((*SETTINGS, *self.settings)), *arguments]
        done = await run(
            argv,
            env=git_environment(os.environ) | dict(self.variables),
            cwd=self.directory,
            stdin=stdin,
            timeout_seconds=seconds,
            die_with_parent=True,
        )
        answer = Answer(done.status, done.stdout, done.stderr)
        if answer.status not in accept:
            raise fault_of(arguments[0], answer.stderr, str(self.directory))
        return answer
