"""What each share has had of the builders, in expected seconds of building."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ekaci_core.scheduler.placement import Lane
from ekaci_core.scheduler.wishes import Share


@attrs.define(eq=False)
class _Account:
    """What a share has had, divided by its weight; in how many lanes it waits; how much of it is being built."""

    spent: float = 0.0
    waiting: int = 0
    building: int = 0

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.building)


class Accounts:
    """Charges shares for what is built for them, and says where one begins that comes late.

    Each lane has a virtual time: what a share would have had that was there from the beginning, if all got equal parts
    of what was built. It goes on when builds end. A share that comes, or comes back after it wanted nothing, begins at
    that time, or where the one of those that wait stands that has had least, if that is later. So nothing is saved up
    while nothing is wanted; and however many come, they begin later and later, and those that wait get their turn.
    """

    def __init__(self) -> None:
        self._accounts: dict[Share, _Account] = {}
        self._now: dict[Lane, float] = {}
        self._weight = 0.0

    def spent(self, share: Share) -> float:
        """Return what a share has had, divided by its weight."""
        return self._accounts[share].spent

    def enter(self, lane: Lane, share: Share, *, among: Iterable[Share]) -> None:
        """Note that something of a share waits in a lane, where nothing of it did, ``among`` others."""
        account = self._accounts.setdefault(share, _Account())
        least = min((self._accounts[other].spent for other in among), default=0.0)
        now = self._now[lane] = max(self._now.get(lane, 0.0), least)
        if account.is_idle:
            account.spent = max(account.spent, now)
            self._weight += share.weight
        account.waiting += 1

    def leave(self, share: Share) -> None:
        """Note that nothing of a share waits in a lane any more."""
        self._accounts[share].waiting -= 1
        self._rest(share)

    def charge(self, share: Share, seconds: float) -> None:
        """Charge for what begins."""
        account = self._accounts[share]
        account.building += 1
        account.spent += seconds / share.weight

    def served(self, lane: Lane, share: Share, seconds: float) -> None:
        """Note that what was charged for has ended; the lane's time goes on."""
        self._now[lane] = self._now.get(lane, 0.0) + seconds / max(self._weight, share.weight)
        self._accounts[share].building -= 1
        self._rest(share)

    def _rest(self, share: Share) -> None:
        if self._accounts[share].is_idle:
            self._weight -= share.weight
