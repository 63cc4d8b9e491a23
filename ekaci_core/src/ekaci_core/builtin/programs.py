"""Programs as plugins get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ekaci_core.api import ProgramEnd, Secret, WriteLog
from ekaci_core.process.running import running
from ekaci_core.telemetry import REDACTOR

_TAIL_BYTES: Final = 64 * 1024


class ProgramCommands:
    """Implements `Programs`."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret],
        stdin: bytes = b"",
        folder: Path | None = None,
        log: WriteLog | None = None,
    ) -> ProgramEnd:
        """Run a program to its end."""
        plain = {name: each.reveal() if isinstance(each, Secret) else each for name, each in environment.items()}
        tail = bytearray()
        async with running(argv, env=plain, cwd=folder, stdin=stdin, stderr="merge") as child:
            async for chunk in child.stdout.chunks():
                if log is not None:
                    log(chunk)
                tail += chunk
                del tail[:-_TAIL_BYTES]
            status = await child.wait()
        return ProgramEnd(status, REDACTOR.text(tail.decode(errors="replace")))
