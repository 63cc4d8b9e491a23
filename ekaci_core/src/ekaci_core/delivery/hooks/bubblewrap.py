"""Whether this machine can keep a hook in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.process.faults import ProgramMissing
from ekaci_core.process.plain import one_line
from ekaci_core.process.running import running
from ekaci_core.process.sandbox import BUBBLEWRAP, Sandbox, handed_over, sandbox_command, sandbox_options

_SECONDS: Final = 20.0
_MOST_BYTES: Final = 64 * 1024


@attrs.define(eq=False)
class Bubblewrap:
    """Tries it, until it once worked: it can be installed, and allowed, while the server runs."""

    _environment: Mapping[str, str]
    _works: bool = attrs.field(default=False, init=False)

    async def fault(self) -> str | None:
        """Say why no hook can be kept in a sandbox here; None where one can."""
        if self._works:
            return None
        sandbox = Sandbox(environment={"PATH": "/usr/bin:/bin"}, directory="/", network=True)
        try:
            with handed_over(sandbox_options(sandbox)) as options:
                command = sandbox_command(["/bin/sh", "-c", "exit 0"], options)
                async with running(
                    command,
                    env=self._environment,
                    cwd=Path("/"),
                    stderr="merge",
                    timeout_seconds=_SECONDS,
                    max_output_bytes=_MOST_BYTES,
                    inherited=(options,),
                ) as child:
                    said = b"".join([chunk async for chunk in child.stdout.chunks()])
                    status = await child.wait()
        except ProgramMissing:
            return f"bubblewrap ({BUBBLEWRAP}) is not installed, and no hook runs without its sandbox"
        except InfrastructureFault as fault:
            return f"bubblewrap does not work here: {fault}"
        self._works = status == 0
        return None if self._works else f"bubblewrap does not work here: {one_line(said.decode(errors='replace'), 400)}"
