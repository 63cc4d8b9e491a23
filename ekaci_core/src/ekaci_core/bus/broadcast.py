"""Live events to whoever listens: bounded, never waiting for a slow listener."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import anyio

Event = TypeVar("Event")


class Subscription(Generic[Event]):
    """One listener's queue. When it is full the oldest events go, and `lost` counts them."""

    def __init__(self, capacity: int) -> None:
        self.lost = 0
        self._events: deque[Event] = deque(maxlen=capacity)
        self._arrived = anyio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        """Queue an event."""
        if len(self._events) == self._events.maxlen:
            self.lost += 1
        self._events.append(event)
        self._arrived.set()

    def close(self) -> None:
        """End the listener's iteration once it has read what is queued."""
        self._closed = True
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield events as they come, until the broadcast closes."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._closed:
                return
            self._arrived = anyio.Event()
            await self._arrived.wait()


class Broadcast(Generic[Event]):
    """Sends each event to every present listener; with none it costs a loop over nothing."""

    def __init__(self) -> None:
        self._listeners: list[Subscription[Event]] = []
        self._closed = False

    def send(self, event: Event) -> None:
        """Hand an event to all listeners."""
        for listener in self._listeners:
            listener.put(event)

    def close(self) -> None:
        """End all listeners, those to come included. Nothing may be sent afterwards that anyone must hear."""
        self._closed = True
        for listener in self._listeners:
            listener.close()

    @contextmanager
    def listening(self, capacity: int = 10_000) -> Iterator[Subscription[Event]]:
        """Listen for as long as the context is open."""
        subscription: Subscription[Event] = Subscription(capacity)
        if self._closed:
            subscription.close()
        self._listeners.append(subscription)
        try:
            yield subscription
        finally:
            self._listeners.remove(subscription)
