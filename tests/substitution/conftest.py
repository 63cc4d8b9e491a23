from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ekaci_core.testing.binary_cache import CacheServer

Serve = Callable[[Path], CacheServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers, which end with the test."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(CacheServer(folder))


@pytest.fixture
def dead_cache() -> str:
    """The address of a port that refuses connections."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return f"http://127.0.0.1:{server.server_port}"
