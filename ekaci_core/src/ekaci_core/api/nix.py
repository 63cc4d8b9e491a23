"""What builders that work through Nix have in common: running its programs and judging what they say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from ekaci_core.api.builder import BuildInterrupted, BuildOutcome, BuildRequest
from ekaci_core.api.nix_events import NixEvent
from ekaci_core.model.ids import DrvPath, StorePath


@attrs.frozen
class Realised:
    """What one ``nix-store --realise`` came to.

    Attributes:
        outcome: by the core's table of exit statuses and messages, whose reasons speak of this machine.
        errors: what Nix itself said of it, without quoted names and without copies of the build's log, so that nothing
            a build has chosen stands in it.
        began: whether Nix had begun the build, here or elsewhere.
        aside: the last lines on the side channel, where that is not the log.
    """

    outcome: BuildOutcome
    errors: tuple[str, ...] = ()
    began: bool = False
    aside: tuple[str, ...] = ()

    @property
    def error_text(self) -> str:
        """All errors, one below the other."""
        return "\n".join(self.errors)


@attrs.frozen
class NixAnswer:
    """A program of Nix that ran to its end. ``stderr`` is its tail; ``status`` is negative where a signal ended it."""

    status: int
    stdout: str
    stderr: str


HearNix = Callable[[Iterable[NixEvent]], None]
"""Takes what Nix told, in order; each call is a sign of life, and writes to the log before it returns."""

NixConversation = Callable[[HearNix], Awaitable[int | BuildInterrupted]]
"""Has Nix build, passes on all that it tells, and returns the exit status that ``nix-store --realise`` would have had,
or why there is none. When it is cancelled, it stops the build.
"""


class NixPrograms(Protocol):
    """Runs programs of Nix: each in a process group of its own, stopped and reaped also on cancellation."""

    async def realise(
        self,
        request: BuildRequest,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        side_is_log: bool = False,
        relayed_errors: bool = False,
    ) -> Realised:
        """Make one attempt with ``nix-store --realise``: write the log, tell phases, keep both timeouts.

        The program has descriptor 3, a side channel for what its own children print past Nix.

        Args:
            request: what to build.
            arguments: put behind the core's own, so that they win: ``--store``, ``--option builders …``.
            environment: its whole environment; None for that of the context.
            side_is_log: whether lines of the side channel belong into the log.
            relayed_errors: whether grave messages count as Nix's own errors although they came through a helper of
                Nix; only where nothing that a build prints can become one.

        Returns:
            What it came to; faults of programs and files are outcomes.
        """
        ...

    async def follow(self, request: BuildRequest, converse: NixConversation) -> Realised:
        """Make one attempt by talking to the daemon of this machine, without a program of Nix.

        What ``converse`` hears becomes log, phases and evidence as in `realise`. It is cancelled when the attempt is,
        at the end of either time limit, and when the log cannot be written.

        Returns:
            What it came to. An `InfrastructureFault` that ``converse`` raises is an outcome too.
        """
        ...

    async def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_seconds: float = 60
    ) -> NixAnswer:
        """Run a program to its end and return what it wrote, whatever its status.

        Raises:
            InfrastructureFault: it is missing, or was stopped at its deadline, or wrote too much.
        """
        ...

    async def inputs(self, drv: DrvPath) -> tuple[StorePath, ...]:
        """Return what a build of this reads: the outputs that it uses of other derivations, then its sources.

        An output whose path is not known before it is built (content-addressed) is left out.

        Raises:
            InfrastructureFault: the derivation or one that it uses is not in the store, or cannot be read.
        """
        ...
