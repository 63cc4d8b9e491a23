"""An open cache as the rest of the program gets it: every call bounded, every surprise an outcome or a fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NoReturn

from ekaci_core.api import (
    AlreadyPresent,
    Cache,
    EkaciError,
    InfrastructureFault,
    Logger,
    Pushed,
    PushFailed,
    PushOutcome,
    PushRequest,
    StorePath,
    UsageFault,
)
from ekaci_core.registry.apart import LEFT_BEHIND_AFTER_SECONDS
from ekaci_core.registry.guard import Surprise, guarded

MISSING_SECONDS: Final = 600.0
"""The longest time that asking for missing paths may take."""
PUSH_SECONDS: Final = 86_400.0
"""The longest time that a push may take, whoever asks; who asks has a shorter limit of his own."""


class GuardedCache:
    """A cache that never raises what its contract does not allow, and says something of every path."""

    def __init__(
        self,
        inner: Cache,
        *,
        who: str,
        log: Logger,
        missing_seconds: float = MISSING_SECONDS,
        push_seconds: float = PUSH_SECONDS,
    ) -> None:
        """Wrap an open cache."""
        self._inner = inner
        self._who = who
        self._log = log
        self._missing_seconds = missing_seconds
        self._push_seconds = push_seconds

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """Say which of these it has not.

        Raises:
            InfrastructureFault: also for whatever it raises or returns against its contract.
            UsageFault: what is configured cannot work.
        """
        found: object = await guarded(
            lambda: self._inner.missing(paths),
            self._unexpected,
            who=self._who,
            log=self._log,
            deadline_seconds=self._missing_seconds,
            left_behind_after_seconds=LEFT_BEHIND_AFTER_SECONDS,
        )
        if not isinstance(found, frozenset) or not found <= frozenset(paths):
            shown = type(found).__name__ if not isinstance(found, frozenset) else "paths that nobody asked for"
            self._nonsense("missing", shown)
            raise InfrastructureFault(
                f"missing returned {shown}",
                where=self._who,
                do="report this to the authors of the plugin, or choose another",
            )
        return found

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """Bring paths there. Raises nothing but cancellation."""
        try:
            outcomes: object = await guarded(
                lambda: self._inner.push(request),
                lambda surprise: self._all_failed(request, surprise.message, transient=True),
                who=self._who,
                log=self._log,
                deadline_seconds=self._push_seconds,
                left_behind_after_seconds=LEFT_BEHIND_AFTER_SECONDS,
            )
        except EkaciError as fault:
            return self._all_failed(request, str(fault), transient=not isinstance(fault, UsageFault))
        if not isinstance(outcomes, Mapping):
            return self._all_failed(request, self._nonsense("push", type(outcomes).__name__), transient=False)
        return {path: self._checked(outcomes.get(path)) for path in request.paths}

    def _checked(self, outcome: object) -> PushOutcome:
        if isinstance(outcome, Pushed | AlreadyPresent | PushFailed):
            return outcome
        return PushFailed(f"{self._who}: {self._nonsense('push', f'{type(outcome).__name__} for a path')}")

    def _nonsense(self, method: str, shown: str) -> str:
        what = f"{method} returned {shown}"
        self._log.warning("plugin_failed", who=self._who, error=what)
        return f"{what}, which is no outcome"

    def _all_failed(self, request: PushRequest, reason: str, *, transient: bool) -> Mapping[StorePath, PushOutcome]:
        return dict.fromkeys(request.paths, PushFailed(f"{self._who}: {reason}", transient=transient))

    def _unexpected(self, surprise: Surprise) -> NoReturn:
        raise InfrastructureFault(
            f"the cache did not answer as it should: {surprise.message}",
            where=self._who,
            do="look whether the cache is reached from here; it is tried again",
        )
