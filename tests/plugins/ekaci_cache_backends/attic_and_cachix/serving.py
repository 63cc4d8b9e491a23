"""Servers of tests over real HTTP, which can be told to misbehave."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs


@attrs.frozen
class Request:
    """What was asked; names of ``fields`` are lower case."""

    method: str
    path: str
    fields: Mapping[str, str]
    body: bytes


@attrs.frozen
class Reply:
    status: HTTPStatus
    body: bytes = b""
    fields: Mapping[str, str] = attrs.field(factory=dict)


@attrs.define
class StandIn:
    """A server that answers by `answer`, unless it is ``hanging`` or has one ``reply`` for everything."""

    requests: list[Request] = attrs.field(factory=list, init=False)
    reply: Reply | None = attrs.field(default=None, init=False)
    hanging: bool = attrs.field(default=False, init=False)
    hung: threading.Event = attrs.field(factory=threading.Event, init=False)
    ends: threading.Event = attrs.field(factory=threading.Event, init=False)
    address: str = attrs.field(default="", init=False)
    failures: list[BaseException] = attrs.field(factory=list, init=False)
    _server: Any = attrs.field(default=None, init=False)

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    def is_read(self, method: str, path: str) -> bool:
        """Whether the body is read before the answer; otherwise the connection is closed with it."""
        return bool(method or path)

    def asked(self, what: str) -> list[Request]:
        """Return the requests whose path ends so."""
        return [each for each in self.requests if each.path.endswith(what)]

    def leave(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @contextmanager
    def served(self, tls: ssl.SSLContext | None = None) -> Iterator[None]:
        """Serve on loopback; what went wrong while answering is raised at the end."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self.address = self.address.replace("http:", "https:")
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.ends.set()
            self.leave()
            thread.join()
        if self.failures:
            raise self.failures[0]

    def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.hanging:
            self.hung.set()
            self.ends.wait()
        if self.reply is not None:
            return self.reply
        try:
            return self.answer(request)
        except BaseException as failure:
            self.failures.append(failure)
            raise


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            is_read = stand_in.is_read(self.command, self.path)
            self.close_connection = self.close_connection or not is_read
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if is_read else b""
            fields = {name.lower(): value for name, value in self.headers.items()}
            reply = stand_in.handle(Request(self.command, self.path, fields, body))
            self.send_response(reply.status)
            for name, value in {**reply.fields, "Content-Length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                with suppress(ConnectionError):  # whoever asked has gone
                    self.wfile.write(reply.body)

        do_GET = do_HEAD = do_POST = do_PUT = _do  # noqa: N815 - the names are the library's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
            pass

    return Handler
