"""The server: uvicorn inside our task group, on our socket, stopped by us alone."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import anyio.abc
import uvicorn
from starlette.types import ASGIApp

from ekaci_core.api import Logger, UsageFault
from ekaci_core.process.plain import one_line

GRACE_SECONDS: Final = 5.0
BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 75
MOST_CONNECTIONS: Final = 1000
"""More are answered 503; they would only wait for each other."""
SWITCH_SECONDS: Final = 0.0005
_CLOSING_SECONDS: Final = 3.0


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: when to stop is decided elsewhere."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _ToLog(logging.Handler):
    """What uvicorn warns of, as events without tracebacks: a request that broke was answered and told already."""

    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.warning("http_server", message=one_line(record.getMessage().split("\n")[0], 300))


class WebServer:
    """Serves an application at one address for as long as `run` runs."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, *, log: Logger, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """Bind the address.

        Args:
            app: what to serve.
            host: an IPv4 or IPv6 address, or a name that stands for one.
            port: 0 for any that is free; `port` says which.
            log: hears of faults below the application.
            grace_seconds: how long requests may take to end once it stops; then they are cut off.

        Raises:
            UsageFault: the address cannot be used.
        """
        self._log = log
        self._grace_seconds = grace_seconds
        self._socket = _bound(host, port)
        self._socket_name = self._socket.getsockname()
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
            http="httptools",
            ws="none",
        )
        self._server = _Server(config)

    @property
    def host(self) -> str:
        """The address that it is bound to."""
        return str(self._socket_name[0])

    @property
    def port(self) -> int:
        """The port that it is bound to."""
        return int(self._socket_name[1])

    @property
    def url(self) -> str:
        """Where it is reached from this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def stop(self) -> None:
        """Take no more connections, let requests end within the grace, then return from `run`."""
        self._server.should_exit = True

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop`, or until cancelled, which stops in the same bounded way."""
        with _telling(self._log), _giving_way():
            async with anyio.create_task_group() as tasks:
                ended = anyio.Event()
                # Shielded, so that a cancellation lets requests end; what bounds it is below.
                scope = anyio.CancelScope(shield=True)
                tasks.start_soon(self._serve, scope, ended, name="http server")
                task_status.started()
                try:
                    await ended.wait()
                finally:
                    self.stop()
                    with anyio.move_on_after(self._grace_seconds + _CLOSING_SECONDS, shield=True):
                        await ended.wait()
                    scope.cancel()

    async def _serve(self, scope: anyio.CancelScope, ended: anyio.Event) -> None:
        try:
            with scope:
                await self._server.serve(sockets=[self._socket])
        finally:
            for connection in list(self._server.server_state.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            self._socket.close()
            ended.set()


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageFault(
            f"cannot listen: {reason}", where=f"{host}:{port}", do="choose another address or port in [web]"
        ) from error
    bound.setblocking(False)  # noqa: FBT003 - the standard library's
    return bound


@contextmanager
def _giving_way() -> Iterator[None]:
    """Let threads give way to each other sooner than after Python's five milliseconds.

    The thread of the database needs the interpreter only for moments, several times in each transaction; if it waited
    five milliseconds each time while requests are served, who sends a delivery would wait for all of them.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _telling(log: Logger) -> Iterator[None]:
    logger, handler = logging.getLogger("uvicorn.error"), _ToLog(log)
    before = logger.propagate, logger.level
    logger.propagate = False
    logger.setLevel(logging.WARNING)  # another server of this process may have silenced it
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before[0]
        logger.setLevel(before[1])
