"""The stand-in as tests get it: a server on loopback in a thread of its own, and a handle to everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp
from tests.standins.github.faults import Fault
from tests.standins.github.records import Seen
from tests.standins.gitlab.acts import Acts
from tests.standins.gitlab.deliveries import deliver
from tests.standins.gitlab.limits import Limits
from tests.standins.gitlab.service import Service
from tests.standins.gitlab.world import World
from tests.standins.threaded import ThreadedServer


class GitLab(ThreadedServer):
    """A running stand-in. ``world`` is what is there, ``acts`` is what people do in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__("stand-in GitLab")
        self.world = World(folder, self.url)
        self.acts = Acts(self.world)
        self._service = Service(self.world)

    def application(self) -> ASGIApp:
        """Return the service."""
        return self._service

    def __enter__(self) -> Self:
        super().__enter__()
        self.world.send = lambda delivery: self.spawn(deliver(delivery, self.client))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.send = lambda _: None
        super().__exit__(kind, error, trace)

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

    def check(self) -> None:
        """Fail where anything was outside GitLab's documents."""
        problems, self.world.problems = self.world.problems, []
        assert not problems, "outside of GitLab's documents:\n" + "\n".join(problems)


@contextmanager
def running_gitlab(folder: Path) -> Iterator[GitLab]:
    """Run a stand-in for a test; its end checks that every request was one that GitLab documents."""
    with GitLab(folder) as gitlab:
        yield gitlab
    gitlab.check()
