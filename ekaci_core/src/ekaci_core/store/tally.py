"""What a server has in hand, counted: for whoever looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from ekaci_core.model.review import ReviewState
from ekaci_core.store.delivery import DeliveryState
from ekaci_core.store.review import ReviewRecord


@attrs.frozen
class Tally:
    """Numbers of one moment.

    Attributes:
        reviews: how many are in each state; states without any are left out.
        deliveries: likewise.
        posts_waiting: checks whose newest version the forge does not show yet and that will be sent.
        posts_oldest: since when the first of them waits, in seconds since the epoch; None where none waits.
        posts_given_up: checks that the forge does not show and that are not tried again by themselves.
        posts_faults: why some of all these could not be sent, and how many for each reason; the most frequent first.
    """

    reviews: Mapping[ReviewState, int]
    deliveries: Mapping[DeliveryState, int]
    posts_waiting: int
    posts_oldest: float | None
    posts_given_up: int
    posts_faults: Mapping[str, int]


class Tallies(Protocol):
    """The part of a store that counts."""

    async def tally(self) -> Tally:
        """Count."""
        ...

    async def reviews_at(self, sha: str, *, limit: int = 100) -> Sequence[ReviewRecord]:
        """Return the reviews of head commits whose names begin so, of all repositories, the newest first."""
        ...
