"""The stand-in as tests get it: a server on loopback in a thread of its own, and a handle to everything in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.standins.github.deliveries import deliver
from tests.standins.github.description import Description, description
from tests.standins.github.faults import Fault
from tests.standins.github.limits import Limits
from tests.standins.github.people import People
from tests.standins.github.records import Delivery, Seen
from tests.standins.github.service import Service
from tests.standins.github.world import World
from tests.standins.threaded import ThreadedServer


class GitHub(ThreadedServer):
    """A running stand-in. ``world`` is what is there, ``people`` act in it as on GitHub's pages."""

    def __init__(self, folder: Path, described: Description, *, enterprise: bool = False) -> None:
        super().__init__("stand-in GitHub")
        self._skew = 0.0
        self.world = World(folder, self.url, described, lambda: time.time() + self._skew, enterprise=enterprise)
        self.api = self.world.shapes.api
        self.people = People(self.world)
        self._service = Service(self.world)

    def application(self) -> Service:
        """Answer as GitHub."""
        return self._service

    def __enter__(self) -> Self:
        super().__enter__()
        self.world.send = self._send
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.send = lambda _: None
        super().__exit__(kind, error, trace)

    def _send(self, delivery: Delivery) -> None:
        self.spawn(deliver(delivery, self.client))

    # --- what tests ask for

    @property
    def limits(self) -> Limits:
        """The rate limits, to be changed."""
        return self._service.limits

    @property
    def seen(self) -> list[Seen]:
        """Every request, in order."""
        return self.world.seen

    def fail(self, fault: Fault) -> Fault:
        """Let something go wrong from now on; the newest comes first."""
        self._service.faults.insert(0, fault)
        return fault

    def recover(self) -> None:
        """Let nothing go wrong any more."""
        self._service.faults.clear()

    def shift(self, seconds: float) -> None:
        """Let GitHub's clock go on by itself: tokens expire, hours begin."""
        self._skew += seconds

    def check(self) -> None:
        """Fail where anything was outside GitHub's published description."""
        problems, self.world.problems = self.world.problems, []
        assert not problems, "outside of GitHub's description:\n" + "\n".join(problems)


@contextmanager
def running_github(folder: Path, *, enterprise: bool = False) -> Iterator[GitHub]:
    """Run a stand-in for a test; its end checks that every request was one that GitHub describes.

    As GitHub Enterprise Server it has its API below a path and nothing of it elsewhere.
    Skips the test where the description is not on this machine.
    """
    with GitHub(folder, description(), enterprise=enterprise) as github:
        yield github
    github.check()
