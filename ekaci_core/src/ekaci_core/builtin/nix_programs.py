"""Nix's programs as plugins get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import anyio.to_thread
import attrs

from ekaci_core.api import BuildRequest, DrvPath, NixAnswer, NixConversation, Realised, StorePath
from ekaci_core.builtin.local_builder.command import build_command
from ekaci_core.builtin.local_builder.conversing import Conversing
from ekaci_core.builtin.local_builder.memory import Counter, find_counters
from ekaci_core.builtin.local_builder.realising import Realising
from ekaci_core.logs import LOG_BYTES
from ekaci_core.nix.aterm import parse_derivation
from ekaci_core.nix.records import read_file, read_record
from ekaci_core.process.running import run


@attrs.frozen
class NixCommands:
    """Implements `NixPrograms`.

    ``environment`` is given to every program that has none of its own; ``log_bytes`` of each build's log are kept at
    most.
    """

    environment: Mapping[str, str]
    log_bytes: int = LOG_BYTES

    async def realise(
        self,
        request: BuildRequest,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        side_is_log: bool = False,
        relayed_errors: bool = False,
    ) -> Realised:
        """Make one attempt."""
        return await Realising(
            request,
            [*build_command(request), *arguments],
            self.environment if environment is None else environment,
            side_channel=True,
            side_is_log=side_is_log,
            relayed_errors=relayed_errors,
            is_here=False,
            log_bytes=self.log_bytes,
        ).run()

    async def follow(self, request: BuildRequest, converse: NixConversation) -> Realised:
        """Make one attempt by talking to the daemon."""
        return await Conversing(request, converse, self._counters, self.log_bytes).run()

    @cached_property
    def _counters(self) -> tuple[Counter, ...]:
        return find_counters(daemon=True)

    async def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_seconds: float = 60
    ) -> NixAnswer:
        """Run a program to its end."""
        done = await run(
            argv,
            env=self.environment if environment is None else environment,
            timeout_seconds=timeout_seconds,
            die_with_parent=True,
        )
        return NixAnswer(done.status, done.text, done.stderr)

    async def inputs(self, drv: DrvPath) -> tuple[StorePath, ...]:
        """Return what a build of this reads."""
        return await anyio.to_thread.run_sync(_inputs, drv)


def _inputs(drv: DrvPath) -> tuple[StorePath, ...]:
    derivation = parse_derivation(read_file(drv), where=drv)
    found: dict[StorePath, None] = {}
    for path, names in derivation.input_drvs.items():
        outputs = {output.name: output.path for output in read_record(path).outputs}
        found.update((output, None) for name in names if (output := outputs.get(name)) is not None)
    found.update(dict.fromkeys(StorePath(source) for source in derivation.input_srcs))
    return tuple(found)
