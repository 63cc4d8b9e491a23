"""A stand-in's web application on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self

import httpx
import uvicorn
from starlette.types import ASGIApp

PATIENCE_SECONDS: Final = 20.0


class ThreadedServer:
    """Serves an application from ``with`` on. ``host`` and ``url`` are known before."""

    def __init__(self, name: str) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"http://{self.host}"
        self._server: uvicorn.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._running: set[Future[Any]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def application(self) -> ASGIApp:
        """Return what is served."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        config = uvicorn.Config(
            self.application(), http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread.start()
        assert self._started.wait(PATIENCE_SECONDS), "the stand-in did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(PATIENCE_SECONDS)
        self._socket.close()
        assert not self._thread.is_alive(), "the stand-in did not stop"

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        server = self._server
        assert server is not None
        self._loop = asyncio.get_running_loop()
        async with httpx.AsyncClient(trust_env=False) as client:
            self._client = client
            serving = asyncio.create_task(server.serve(sockets=[self._socket]))
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn sets no event
                await asyncio.sleep(0.005)
            self._started.set()
            await serving
            # Requests that a fault leaves without an answer.
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    @property
    def client(self) -> httpx.AsyncClient:
        """For what the stand-in sends."""
        assert self._client is not None
        return self._client

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the server's loop, from any thread."""
        assert self._loop is not None
        doing = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._running.add(doing)
        doing.add_done_callback(self._running.discard)

    def settle(self) -> None:
        """Wait until everything that was spawned has ended. Not from the loop itself."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self._running:
            assert time.monotonic() < until, "deliveries are still under way"
            time.sleep(0.01)
