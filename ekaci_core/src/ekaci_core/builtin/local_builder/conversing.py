"""One attempt that somebody else has with Nix's daemon: its log, its timeouts and what it came to."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import attrs

from ekaci_core.api import (
    BuildInterrupted,
    BuildRequest,
    BuildState,
    InfrastructureFault,
    NixConversation,
    NixEvent,
    Realised,
)
from ekaci_core.builtin.local_builder.following import Ending, Following, judged, log_fault, silent, too_long
from ekaci_core.builtin.local_builder.memory import Counter, moved_since, read_counters
from ekaci_core.logs import LOG_BYTES, BuildLog
from ekaci_core.nix.build_errors import Evidence
from ekaci_core.nix.events import record_of


@attrs.frozen
class Conversing:
    """How to make an attempt.

    Attributes:
        request: what to build.
        converse: has the daemon build it.
        counters: of out-of-memory kills that the build can be among.
        log_bytes: how large the log may get.
    """

    request: BuildRequest
    converse: NixConversation
    counters: tuple[Counter, ...] = ()
    log_bytes: int = LOG_BYTES

    async def run(self) -> Realised:
        """Make it; faults of the daemon and of files are outcomes."""
        try:
            with BuildLog(self.request.log, limit=self.log_bytes) as log:
                ending, following = await self._attempt(log)
        except InfrastructureFault as fault:
            return Realised(BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True))
        except OSError as error:
            return Realised(log_fault(error, self.request.log))
        return judged(ending, self.request, following)

    async def _attempt(self, log: BuildLog) -> tuple[Ending, Following]:
        request, following = self.request, Following(log, self.request)
        kills = read_counters(self.counters)
        said: list[int | BuildInterrupted] = []

        def hear(events: Iterable[NixEvent]) -> None:
            following.take(map(record_of, events))

        async def work() -> None:
            said.append(await self.converse(hear))

        with anyio.move_on_after(request.max_duration_seconds):
            if await following.until_silent(work):
                return silent(log, request), following
        if not said:
            return too_long(log, request), following
        if isinstance(said[0], BuildInterrupted):
            return said[0], following
        evidence = Evidence(
            status=said[0],
            errors=following.attempt.errors,
            began=following.attempt.began,
            fixed_output=any(output.is_fixed for output in request.derivation.outputs),
            memory=moved_since(kills),
        )
        return evidence, following
