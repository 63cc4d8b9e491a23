"""A binary cache over HTTP that takes Nix's files by PUT: a real server, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ekaci_core.api import StorePath
from ekaci_core.testing.cache_laboratory import Trouble

_KINDS = {
    "narinfo": "text/x-nix-narinfo",
    "cache-info": "text/x-nix-cache-info",
    "xz": "application/x-nix-nar",
    "nar": "application/x-nix-nar",
    "zst": "application/x-nix-nar",
    "ls": "application/json",
}
_ODD = {
    Trouble.BROKEN: lambda: Response("come back later", 503, headers={"Retry-After": "7"}),
    Trouble.GARBLED: lambda: Response("<html>welcome to this hotel</html>"),
}


class HttpCache:
    """Keeps what it is given in a folder.

    ``accepted`` are the headers of those who may ask, None for all; ``tls`` is a certificate with its key.
    """

    def __init__(self, folder: Path, accepted: frozenset[str] | None = None, tls: Path | None = None) -> None:
        self.folder = folder
        self.accepted = accepted
        self.trouble: Trouble | None = None
        self.redirect: str | None = None
        self.arrived: list[StorePath] = []
        self.asked: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.heads = True
        self.hangs = threading.Event()
        self._hanging = asyncio.Event()
        app = Starlette(routes=[Route("/cache/{name:path}", self._answer, methods=["GET", "HEAD", "PUT"])])
        self._scheme = "http" if tls is None else "https"
        config = uvicorn.Config(
            app, port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, ssl_certfile=tls
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}/cache"

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    async def _answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.asked.append((request.method, name))
        if self.redirect is not None:
            return Response(status_code=307, headers={"Location": self.redirect.format(name)})
        if self.trouble is Trouble.HANGING:
            self.hangs.set()
            await self._hanging.wait()
        if self.trouble is not None:
            return _ODD[self.trouble]()
        if self.accepted is not None and request.headers.get("Authorization") not in self.accepted:
            return Response("who are you?", 401)
        if request.method == "PUT":
            return await self._put(name, request)
        file = self.folder / name
        if request.method == "HEAD" and not self.heads:
            return Response(status_code=405)
        return FileResponse(file) if file.is_file() else Response("no such file", 404)

    async def _put(self, name: str, request: Request) -> Response:
        kind = _KINDS[re.split(r"[.-]", name, maxsplit=1)[1] if name.startswith("nix-") else name.rpartition(".")[2]]
        if request.headers["Content-Type"] != kind:
            self.faults.append(f"{name} is {request.headers['Content-Type']}")
        body = await request.body()
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        if name.endswith(".narinfo"):
            self._check(body.decode())
        file.write_bytes(body)
        return Response(status_code=201)

    def _check(self, narinfo: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in narinfo.splitlines())
        if not (self.folder / fields["URL"]).is_file():
            self.faults.append(f"{fields['StorePath']} came before its NAR")
        if fields["StorePath"] not in self.arrived:
            self.arrived.append(StorePath(fields["StorePath"]))
