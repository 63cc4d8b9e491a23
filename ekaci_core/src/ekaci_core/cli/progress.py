"""Showing progress on standard error: a live display at a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import anyio

from ekaci_core.bus import Broadcast
from ekaci_core.cli.progress_state import ProgressState, duration
from ekaci_core.cli.streams import say
from ekaci_core.model.event import ReviewEvent

_EVERY_SECONDS = 10.0
_SHOWN_BUILDS = 12


class Display(Protocol):
    """Where progress goes."""

    def line(self, text: str) -> None:
        """Write a line that stays."""
        ...

    def refresh(self, state: ProgressState, now: float) -> None:
        """Show the state as it is; called several times a second."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class PlainDisplay:
    """Lines only, and now and then one that says how far a long evaluation is."""

    def __init__(self, write: Callable[[str], object], *, now: float) -> None:
        self._write = write
        self._last = now

    def line(self, text: str) -> None:
        """Write the line at once."""
        self._write(text)

    def refresh(self, state: ProgressState, now: float) -> None:
        """Write the totals, at most every ten seconds."""
        if now - self._last < _EVERY_SECONDS:
            return
        self._last = now
        for text in status_lines(state, now):
            self.line(text)

    def close(self) -> None:
        """Do nothing: nothing is live."""


def status_lines(state: ProgressState, now: float) -> list[str]:
    """Return what is going on: unfinished evaluations, the count of builds, the oldest running builds."""
    lines = [state.evaluation_line(side, job, now) for (side, job), it in state.evaluations.items() if not it.finished]
    if state.planned and state.done < state.planned:
        lines.append(f"builds: {state.builds_line(now)}")
    oldest = sorted(state.running.values(), key=lambda build: build.started)
    lines += [
        f"  {build.name}  {build.phase or 'building'}  {duration(now - build.started)}"
        for build in oldest[:_SHOWN_BUILDS]
    ]
    if len(oldest) > _SHOWN_BUILDS:
        lines.append(f"  and {len(oldest) - _SHOWN_BUILDS} more")
    return lines


def display_for_terminal() -> Display:
    """Choose the display for standard error."""
    if sys.stderr is not None and sys.stderr.isatty():
        try:
            from ekaci_core.cli.live_display import LiveDisplay  # noqa: PLC0415 - rich comes with the extra `cli`
        except ImportError:
            pass
        else:
            return LiveDisplay()
    return PlainDisplay(say, now=time.monotonic())


@asynccontextmanager
async def shown(events: Broadcast[ReviewEvent], display: Display) -> AsyncIterator[None]:
    """Show events for as long as the context is open; the rest of them is shown before it closes."""
    state = ProgressState()
    with events.listening() as subscription:
        try:
            async with anyio.create_task_group() as tasks:

                async def follow() -> None:
                    async for event in subscription:
                        text = state.apply(event, time.monotonic())
                        if text is not None:
                            display.line(text)
                    tasks.cancel_scope.cancel()

                async def redraw() -> None:
                    while True:
                        display.refresh(state, time.monotonic())
                        await anyio.sleep(0.2)

                tasks.start_soon(follow, name="progress")
                tasks.start_soon(redraw, name="progress redraw")
                try:
                    yield
                finally:
                    subscription.close()
        finally:
            display.close()
