"""What somebody wants to be given up: told by one process, obeyed by those that build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NewType, Protocol

import attrs

from ekaci_core.model.ids import DrvPath

CancellationId = NewType("CancellationId", int)


@attrs.frozen
class Cancellation:
    """A wish that a derivation is not built. Numbers ascend; ``at`` is in seconds since the epoch."""

    id: CancellationId
    drv: DrvPath
    at: float


class Cancellations(Protocol):
    """The part of a store that holds them."""

    async def ask_cancellation(self, drv: DrvPath, *, now: float) -> CancellationId:
        """Ask whoever builds this, or has it in a queue, to give it up."""
        ...

    async def cancellations(self, *, after: int = 0) -> Sequence[Cancellation]:
        """Return those with a greater number, in order."""
        ...

    async def end_cancellations(self, *, before: float) -> None:
        """Forget those from before this time, obeyed or not."""
        ...

    async def end_cancellation(self, cancellation: CancellationId) -> None:
        """Forget one."""
        ...
