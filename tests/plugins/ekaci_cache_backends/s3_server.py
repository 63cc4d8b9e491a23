"""S3 on loopback: moto, in a process of its own, which can be told over HTTP to misbehave.

Whoever writes must sign; which keys are accepted can be told. Everybody may read.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

CONTROL = "/-/control"
_GARBAGE = b"<html>welcome to this hotel</html>"
_XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message></Error>"
_KEY = re.compile(r"Credential=([^/]+)/")

_READER = "AWS4-HMAC-SHA256 Credential=reader/20200101/eu-north-1/s3/aws4_request, SignedHeaders=host, Signature=x"

Start = Callable[[str, list[tuple[str, str]]], Any]


class Misbehaving:
    """Stands around moto. ``state`` is what the control was last told."""

    def __init__(self, app: Callable[[dict[str, Any], Start], Iterable[bytes]]) -> None:
        self._app = app
        self._state: dict[str, Any] = {}
        self._never = threading.Event()
        self._hangs = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == CONTROL and environ["REQUEST_METHOD"] == "GET":
            self._hangs.wait(60)
            return _answered(start, "200 OK", json.dumps(self._hangs.is_set()).encode())
        if environ["PATH_INFO"] == CONTROL:
            self._state = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return _answered(start, "200 OK", b"{}")
        trouble = self._state.get("trouble") if self._state.get("only", "") in environ["QUERY_STRING"] else None
        if trouble == "hanging":
            self._hangs.set()
            self._never.wait()
        if trouble == "garbled":
            return _answered(start, "200 OK", _GARBAGE)
        if trouble == "broken":
            return _answered(start, "503 Slow Down", _XML.format("SlowDown").encode(), ("Retry-After", "7"))
        refused = self._refused(environ)
        if refused is not None:
            body = b"" if environ["REQUEST_METHOD"] == "HEAD" else _XML.format(refused).encode()
            return _answered(start, "403 Forbidden", body)
        # Moto shows nothing to strangers: who reads without keys is taken for a reader with some.
        environ.setdefault("HTTP_AUTHORIZATION", _READER)
        return self._app(environ, start)

    def _refused(self, environ: dict[str, Any]) -> str | None:
        found = _KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
        if found is None:
            return None if environ["REQUEST_METHOD"] in ("GET", "HEAD") else "AccessDenied"
        accepted = self._state.get("accepted")
        return None if accepted is None or found[1] in accepted else self._state.get("code", "InvalidAccessKeyId")


def _answered(start: Start, status: str, body: bytes, *fields: tuple[str, str]) -> Iterable[bytes]:
    start(status, [("Content-Length", str(len(body))), ("Content-Type", "application/xml"), *fields])
    return [body]


class S3Server:
    """A running one."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def tell(self, **state: object) -> None:
        """Say how it is to behave from now on; nothing for well."""
        data = json.dumps(state).encode()
        with urllib.request.urlopen(f"{self.url}{CONTROL}", data, timeout=30):  # noqa: S310 - our own
            pass

    def await_hanging(self) -> None:
        """Wait until somebody is left without an answer."""
        with urllib.request.urlopen(f"{self.url}{CONTROL}", timeout=90) as answer:  # noqa: S310 - our own
            assert json.load(answer)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run one for as long as this is open."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        server = S3Server(port)
        _await(server, child)
        yield server
    finally:
        child.kill()
        child.wait()


def _await(server: S3Server, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and child.poll() is None:
        try:
            server.tell()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("moto's server does not answer")


class Relay:
    """Stands before a server, and can go away."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._passing: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all connections and take no more."""
        _end(self._listener)
        self._thread.join()
        for each in self._open:
            _end(each)
        for thread in self._passing:
            thread.join()
        for each in (self._listener, *self._open):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self._listener.accept()
            except OSError:
                return
            other = socket.create_connection(("127.0.0.1", self._target))
            self._open += [one, other]
            for source, sink in ((one, other), (other, one)):
                self._passing.append(threading.Thread(target=_pass_on, args=(source, sink), daemon=True))
                self._passing[-1].start()


def _end(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it had ended by itself


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _serve(port: int) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415
    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: object) -> None:
            pass

    app = Misbehaving(DomainDispatcherApplication(create_backend_app))
    make_server("127.0.0.1", port, app, threaded=True, request_handler=Handler).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
