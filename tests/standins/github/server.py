"""The stand-in as tests get it: a server on loopback in a thread of its own, and a handle to everything in it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import uvicorn
from tests.standins.github.deliveries import deliver
from tests.standins.github.description import Description, description
from tests.standins.github.faults import Fault
from tests.standins.github.limits import Limits
from tests.standins.github.people import People
from tests.standins.github.records import Delivery, Seen
from tests.standins.github.service import Service
from tests.standins.github.world import World

PATIENCE_SECONDS: Final = 20.0


class GitHub:
    """A running stand-in. ``world`` is what is there, ``people`` act in it as on GitHub's pages."""

    def __init__(self, folder: Path, described: Description, *, enterprise: bool = False) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"http://{self.host}"
        self._skew = 0.0
        self.world = World(folder, self.url, described, lambda: time.time() + self._skew, enterprise=enterprise)
        self.api = self.world.shapes.api
        self.people = People(self.world)
        self._service = Service(self.world)
        config = uvicorn.Config(
            self._service,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._running: set[Future[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stand-in GitHub", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE_SECONDS), "the stand-in did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.send = lambda _: None
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(PATIENCE_SECONDS)
        self._socket.close()
        assert not self._thread.is_alive(), "the stand-in did not stop"

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with httpx.AsyncClient(trust_env=False) as client:
            self._client = client
            self.world.send = self._send
            serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
            while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn sets no event
                await asyncio.sleep(0.005)
            self._started.set()
            await serving
            # Requests that a fault leaves without an answer.
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    def _send(self, delivery: Delivery) -> None:
        assert self._loop is not None
        assert self._client is not None
        sending = asyncio.run_coroutine_threadsafe(deliver(delivery, self._client), self._loop)
        self._running.add(sending)
        sending.add_done_callback(self._running.discard)

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

    def settle(self) -> None:
        """Wait until everything that was sent to webhooks was answered. Not from the loop that answers."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self._running:
            assert time.monotonic() < until, "deliveries are still under way"
            time.sleep(0.01)

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
