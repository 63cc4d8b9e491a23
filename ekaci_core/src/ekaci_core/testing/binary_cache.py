"""A binary cache over HTTP for tests: a real server over a folder, which can be told to misbehave."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import attrs


@attrs.frozen
class Asked:
    """A request. ``number`` counts those for the same path, from 1."""

    path: str
    number: int
    authorization: str | None


@attrs.frozen
class Reply:
    """An answer other than the file.

    ``hangs`` gives none until the server ends, ``cut`` breaks off in its middle, ``leaves`` closes the connection
    afterwards without having said so.
    """

    status: int = 200
    body: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()
    hangs: bool = False
    cut: bool = False
    leaves: bool = False


Behaviour = Callable[[Asked], Reply | None]
"""Says what to answer; None stands for the file, or 404."""


class CacheServer:
    """Serves a folder on loopback, unless ``behave`` answers otherwise; ``asked`` and ``connections`` count."""

    def __init__(self, folder: Path, *, tls: ssl.SSLContext | None = None) -> None:
        """Listen at a free port, over TLS where that is given; nothing is answered before it is entered."""
        self.folder = folder
        self.behave: Behaviour = lambda _: None
        self.asked: list[Asked] = []
        self.connections = 0
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def paths(self) -> list[str]:
        """Return what was asked for, in order."""
        return [each.path for each in self.asked]

    def answer(self, path: str, authorization: str | None) -> Reply:
        """Note a request, and decide on the answer."""
        with self._lock:
            asked = Asked(path, sum(each.path == path for each in self.asked) + 1, authorization)
            self.asked.append(asked)
        reply = self.behave(asked)
        if reply is not None:
            return reply
        file = self.folder / path.lstrip("/")
        return Reply(200, file.read_bytes()) if file.is_file() else Reply(404, b"nothing of that name")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self  # a handler's own `self` is another

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def setup(self) -> None:
                with owner._lock:
                    owner.connections += 1
                super().setup()

            def do_GET(self) -> None:
                reply = owner.answer(self.path, self.headers.get("Authorization"))
                if reply.hangs:
                    owner._ends.wait()
                    self.close_connection = True
                    return
                body = reply.body
                self.send_response(reply.status)
                for name, value in reply.fields:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if reply.cut else body)
                self.close_connection = self.close_connection or reply.cut or reply.leaves

            def log_message(self, *_: object) -> None:
                pass

        return Handler
