"""The stand-in as tests get it: a server on loopback in a thread of its own, and a handle to everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.standins.gitea.acts import Acts
from tests.standins.gitea.deliveries import deliver
from tests.standins.gitea.description import Description, description
from tests.standins.gitea.records import Delivery, Seen
from tests.standins.gitea.service import Service
from tests.standins.gitea.world import World
from tests.standins.github.faults import Fault
from tests.standins.threaded import ThreadedServer


class Gitea(ThreadedServer):
    """A running stand-in. ``world`` is what is there, ``acts`` changes it as people do."""

    def __init__(self, folder: Path, described: Description, vendor: str = "gitea") -> None:
        super().__init__("stand-in Gitea")
        self.world = World(folder, self.url, described, vendor)
        self.acts = Acts(self.world)
        self._service = Service(self.world, self.acts)

    def application(self) -> Service:
        """Answer as Gitea."""
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

    def check(self) -> None:
        """Fail where anything was outside Gitea's published description."""
        problems, self.world.problems = self.world.problems, []
        assert not problems, "outside of Gitea's description:\n" + "\n".join(problems)


@contextmanager
def running_gitea(folder: Path, vendor: str = "gitea") -> Iterator[Gitea]:
    """Run a stand-in for a test; its end checks that every request was one that Gitea describes.

    Skips the test where the description is not on this machine.
    """
    with Gitea(folder, description(), vendor) as gitea:
        yield gitea
    gitea.check()
