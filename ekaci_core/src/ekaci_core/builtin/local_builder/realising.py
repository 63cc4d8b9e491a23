"""One attempt: a ``nix-store --realise`` in a process group of its own, its log, its timeouts and what it came to."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import anyio
import attrs

from ekaci_core.api import BuildInterrupted, BuildRequest, BuildState, InfrastructureFault, Realised
from ekaci_core.builtin.local_builder.following import Ending, Following, judged, log_fault, silent, too_long
from ekaci_core.builtin.local_builder.memory import Counter, moved_since, read_counters
from ekaci_core.builtin.local_builder.strays import end_strays
from ekaci_core.logs import LOG_BYTES, BuildLog
from ekaci_core.nix.build_errors import Evidence
from ekaci_core.nix.internal_json import parse_line
from ekaci_core.process.lines import Line
from ekaci_core.process.output import OutputStream
from ekaci_core.process.plain import plain
from ekaci_core.process.running import Child, running

# Nix ends its builder at once, but then deletes what may be gigabytes of a half-finished build.
_GRACE_SECONDS: Final = 30.0
_KEPT_ASIDE: Final = 10
_WITH_SIDE_CHANNEL: Final = ("/bin/sh", "-c", 'exec "$@" 3>&1 >/dev/null', "sh")


@attrs.frozen
class Realising:
    """How to make an attempt.

    Attributes:
        request: what to build.
        command: the whole command.
        environment: its whole environment.
        side_channel: whether it gets descriptor 3, on which its own children write past Nix.
        side_is_log: whether what they write there belongs into the log.
        relayed_errors: whether grave messages count as Nix's own errors although they came through a helper.
        is_here: whether this machine builds, so that its processes say something of the build.
        counters: of out-of-memory kills that the build can be among; none where another machine builds.
        log_bytes: how large the log may get.
    """

    request: BuildRequest
    command: Sequence[str]
    environment: Mapping[str, str]
    side_channel: bool = False
    side_is_log: bool = False
    relayed_errors: bool = False
    is_here: bool = True
    counters: tuple[Counter, ...] = ()
    log_bytes: int = LOG_BYTES

    async def run(self) -> Realised:
        """Make it; faults of programs and files are outcomes."""
        aside: deque[str] = deque(maxlen=_KEPT_ASIDE)
        try:
            if self.request.gc_root is not None:
                self.request.gc_root.parent.mkdir(parents=True, exist_ok=True)
            with BuildLog(self.request.log, limit=self.log_bytes) as log:
                ending, following = await self._attempt(log, aside)
        except InfrastructureFault as fault:
            return Realised(BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True))
        except OSError as error:
            return Realised(log_fault(error, self.request.log))
        return judged(ending, self.request, following, aside)

    async def _attempt(self, log: BuildLog, aside: deque[str]) -> tuple[Ending, Following]:
        request = self.request
        following = Following(log, request, relayed_errors=self.relayed_errors)
        kills = read_counters(self.counters)
        command = [*(_WITH_SIDE_CHANNEL if self.side_channel else ()), *self.command]
        async with running(command, env=self.environment, stderr="pipe", grace_seconds=_GRACE_SECONDS) as child:
            with anyio.move_on_after(request.max_duration_seconds) as whole:
                if await following.until_silent(partial(self._read, child, following, aside)):
                    return silent(log, request), following
                status = await child.wait()
            if whole.cancelled_caught:
                return too_long(log, request), following
        if status < 0 and self.is_here:
            await end_strays(request.derivation.outputs)
        evidence = Evidence(
            status=status,
            errors=following.attempt.errors,
            began=following.attempt.began,
            remote=not self.is_here,
            fixed_output=any(output.is_fixed for output in request.derivation.outputs),
            memory=moved_since(kills),
        )
        return evidence, following

    async def _read(self, child: Child, following: Following, aside: deque[str]) -> None:
        assert child.stderr is not None  # noqa: S101 - asked for as a pipe
        async with anyio.create_task_group() as tasks:
            if self.side_channel:
                tasks.start_soon(self._read_side, child.stdout, following, aside)
            async for batch in child.stderr.batches():
                following.take(map(parse_line, batch))

    async def _read_side(self, stream: OutputStream, following: Following, aside: deque[str]) -> None:
        async for batch in stream.batches():
            if self.side_is_log:
                following.write(b"".join(map(_logged, batch)))
            else:
                aside.extend(plain(line.text) for line in batch)
            following.heard()


def _logged(line: Line) -> bytes:
    cut = " [the rest of this line was too long to keep]" if line.cut else ""
    return f"{line.text}{cut}\n".encode(errors="replace")
