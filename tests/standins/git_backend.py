"""Git over HTTP as git itself serves it: https://git-scm.com/docs/git-http-backend."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread
import attrs


@attrs.frozen
class GitRequest:
    """What git asks for. ``path`` begins behind the repository; names of ``headers`` are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


async def serve_git(folder: Path, request: GitRequest) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and content."""
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = await anyio.to_thread.run_sync(lambda: _run(environment, request.body))
    head, _, content = done.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return status, {name.lower(): value for name, value in headers.items()}, content


def _run(environment: dict[str, str], body: bytes) -> bytes:
    return subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True).stdout
