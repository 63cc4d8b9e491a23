"""Which paths go to a cache together, and which have to wait for what they refer to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import attrs

from ekaci_core.delivery.closures import in_order
from ekaci_core.delivery.patience import company
from ekaci_core.model.ids import StorePath
from ekaci_core.nix.path_info import PathInfo
from ekaci_core.store.push import Push, PushEnd, PushState

BATCH_BYTES: Final = 512 * 1024 * 1024
"""Archives of one push, together; a larger one goes alone."""
LATER_SECONDS: Final = 5.0
"""How long a path waits for one that it refers to and that waits itself."""


def batches(pushes: Sequence[Push], infos: Mapping[StorePath, PathInfo]) -> list[list[Push]]:
    """Divide pushes, what is referred to before what refers to it, by number and size; what failed in smaller parts."""
    by_path = {each.path: each for each in pushes}
    divided: list[list[Push]] = []
    most, size = 0, 0
    for path in in_order({path: infos[path].references for path in by_path}):
        push = by_path[path]
        room = min(most, company(push.attempts))
        size += infos[path].nar_size
        if not divided or len(divided[-1]) >= room or size > BATCH_BYTES:
            divided.append([])
            room, size = company(push.attempts), infos[path].nar_size
        divided[-1].append(push)
        most = room
    return divided


@attrs.define
class Standing:
    """What is known of paths that others refer to: how they ended, and when they may be tried again."""

    ends: dict[StorePath, PushEnd] = attrs.field(factory=dict)

    def learn(self, pushes: Collection[Push]) -> None:
        """Take over rows that were read."""
        for each in pushes:
            self.ends[each.path] = PushEnd(
                push=each.id, state=each.state, reason=each.reason, not_before=each.not_before
            )

    def note(self, pushes: Collection[Push], ends: Collection[PushEnd]) -> None:
        """Take over what came of some of these pushes."""
        paths = {each.id: each.path for each in pushes}
        for end in ends:
            self.ends[paths[end.push]] = end

    def sort(
        self, batch: Sequence[Push], infos: Mapping[StorePath, PathInfo], now: float
    ) -> tuple[list[Push], list[PushEnd]]:
        """Divide a batch into what may be pushed now, and the ends of what may not: it refers to what is not there."""
        ready: list[Push] = []
        ends: list[PushEnd] = []
        with_it: set[StorePath] = set()
        for push in batch:
            end = self._held(push, infos[push.path].references, with_it, now)
            if end is None:
                ready.append(push)
                with_it.add(push.path)
            else:
                ends.append(end)
                self.ends[push.path] = end
        return ready, ends

    def _held(
        self, push: Push, references: Collection[StorePath], with_it: Collection[StorePath], now: float
    ) -> PushEnd | None:
        until: float | None = None
        for path in references:
            below = self.ends.get(path)
            if below is None or path == push.path or path in with_it or below.state in _THERE:
                continue
            if below.state is PushState.FAILED:
                reason = f"it refers to {path}, which could not be pushed"
                return PushEnd(push=push.id, state=PushState.FAILED, reason=reason)
            until = max(until or 0.0, below.not_before, now + LATER_SECONDS)
        if until is None:
            return None
        return PushEnd(push=push.id, state=PushState.PENDING, reason=push.reason, not_before=until)


_THERE: Final = frozenset({PushState.DONE, PushState.PRESENT})
