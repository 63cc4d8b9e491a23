"""The boundary around plugin code, the one place that catches `Exception`.

What a plugin raises by the contract (`EkaciError`) passes. Anything else, `SystemExit` as well, is a surprise: it is
logged and becomes a value or an `InfrastructureFault` that names the plugin, so that one broken plugin never ends what
others do. Cancellation always passes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, TypeVar

import anyio
import attrs

from ekaci_core.api import EkaciError, InfrastructureFault, Logger
from ekaci_core.registry.apart import NoAnswer, apart
from ekaci_core.telemetry import REDACTOR

Result = TypeVar("Result")
Otherwise = TypeVar("Otherwise")


@attrs.frozen
class Surprise:
    """A plugin raised what the contract does not allow. ``message`` is one line: the type and what it says."""

    message: str
    error: BaseException


@attrs.frozen
class Returned(Generic[Result]):
    """A plugin's call returned."""

    value: Result


def surprise_of(error: BaseException) -> Surprise:
    """Describe an exception in one line, secrets masked; of a group, the first that is inside."""
    first = leaves(error)[0]
    text = " ".join(REDACTOR.text(str(first)).split())
    name = type(first).__name__
    return Surprise(f"{name}: {text}" if text else name, error)


def leaves(error: BaseException) -> list[BaseException]:
    """The exceptions inside nested groups, in order; an exception that is no group is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def attempt(call: Callable[[], Result]) -> Returned[Result] | Surprise:
    """Run a plugin's synchronous code: its import, its hooks, its properties.

    `SystemExit` is caught too: a module that ends the process when it is imported must not end ours.
    """
    try:
        return Returned(call())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary
        return surprise_of(error)


async def guarded(
    call: Callable[[], Awaitable[Result]],
    otherwise: Callable[[Surprise], Otherwise],
    *,
    who: str,
    log: Logger,
    deadline_seconds: float | None = None,
    left_behind_after_seconds: float | None = None,
) -> Result | Otherwise:
    """Await a plugin's call; a surprise or a missed deadline becomes an outcome.

    Args:
        call: starts the call; must not leave a cancel scope or task group of the plugin open behind it.
        otherwise: turns the surprise into the outcome to return, or raises.
        who: names the plugin in the log.
        log: gets one warning for each surprise.
        deadline_seconds: cancel the call after so long; None waits for ever.
        left_behind_after_seconds: where it is given, the call has a task of its own, and one that goes on for so long
            after it was cancelled is left behind (`apart`). Without it the caller waits.

    Raises:
        EkaciError: what the plugin raised by the contract.
    """
    surprise = Surprise(f"no answer within {deadline_seconds} seconds", TimeoutError())
    try:
        if left_behind_after_seconds is not None:
            grace = left_behind_after_seconds
            return await apart(call, who=who, log=log, deadline_seconds=deadline_seconds, grace_seconds=grace)
        with anyio.move_on_after(deadline_seconds):
            return await call()
    except EkaciError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary; cancellation is neither
        if not isinstance(error, NoAnswer):
            surprise = surprise_of(error)
    log.warning("plugin_failed", who=who, error=surprise.message)
    return otherwise(surprise)


class Translating(AbstractContextManager[None]):
    """Around awaits whose exceptions are a plugin's: surprises leave as `InfrastructureFault`.

    A group that holds nothing but errors of the contract leaves as the first of them, since a plugin's task
    groups are its own affair. `StopAsyncIteration` passes: it ends an iteration.
    """

    def __init__(self, who: str, log: Logger, *, spared: BaseException | None = None) -> None:
        """Guard code of ``who``; ``spared`` is an exception that is not its own and passes as it came."""
        self._who = who
        self._log = log
        self._spared = spared

    def sparing(self, error: BaseException | None) -> Translating:
        """Return the same boundary for code that is handed an exception of ours, as ``__aexit__`` is."""
        return Translating(self._who, self._log, spared=error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let pass, unwrap or translate."""
        if not isinstance(error, Exception | SystemExit) or isinstance(error, EkaciError | StopAsyncIteration):
            return
        if error is self._spared:
            return
        inner = leaves(error)
        if self._spared is not None and any(leaf is self._spared for leaf in inner):
            raise self._spared
        if all(isinstance(leaf, EkaciError) for leaf in inner):
            raise inner[0] from error
        surprise = surprise_of(error)
        self._log.warning("plugin_failed", who=self._who, error=surprise.message)
        raise InfrastructureFault(
            f"failed in a way its contract does not allow: {surprise.message}",
            where=self._who,
            do="report this to the authors of the plugin, or choose another",
        ) from error
