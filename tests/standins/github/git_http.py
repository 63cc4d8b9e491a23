"""Git over HTTP, by git's own program, behind GitHub's question for a token.

https://git-scm.com/docs/git-http-backend
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
from typing import Final

import anyio.to_thread
from tests.standins.github.exchange import Answer
from tests.standins.github.records import Repository, Seen
from tests.standins.github.world import World

_PATH: Final = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?(/info/refs|/git-(?:upload|receive)-pack|/HEAD|/objects/.+)")


def is_git(path: str) -> bool:
    """Whether a path is one of git's and not one of the API."""
    return _PATH.fullmatch(path) is not None and not path.startswith("/repos/")


async def answer_git(world: World, seen: Seen, query: str, body: bytes) -> Answer:
    """Serve git, if the token allows."""
    found = _PATH.fullmatch(seen.path)
    assert found is not None
    with world.lock:
        repository = world.find(found[1], found[2])
        refused = _refused(world, repository, seen.headers.get("authorization", ""))
    if refused or repository is None:
        return refused or Answer(status=404, content=b"Repository not found.")
    if "git-receive-pack" in seen.path + query:
        return Answer(status=403, content=b"This stand-in takes no pushes.")
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_PROJECT_ROOT": str(repository.folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": found[3],
        "QUERY_STRING": query,
        "REQUEST_METHOD": seen.method,
        "CONTENT_TYPE": seen.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": seen.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": seen.headers.get("git-protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = await anyio.to_thread.run_sync(lambda: _run(environment, body))
    head, _, content = done.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return Answer(status=status, content=content, headers={name.lower(): value for name, value in headers.items()})


def _run(environment: dict[str, str], body: bytes) -> bytes:
    return subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True).stdout


def _refused(world: World, repository: Repository | None, authorization: str) -> Answer | None:
    """Say no as GitHub does: who says nothing is asked, who may not see a repository is told that there is none."""
    asked = Answer(status=401, content=b"Repository not found.", headers={"www-authenticate": 'Basic realm="GitHub"'})
    if not authorization:
        return None if repository and not repository.private else asked
    kind, _, encoded = authorization.partition(" ")
    try:
        name, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return asked
    grant = world.grants.get(token)
    if kind.lower() != "basic" or name != "x-access-token" or grant is None or grant.expires_at <= world.now():
        return asked
    if repository is None:
        return Answer(status=404, content=b"Repository not found.")
    covered = world.covering(grant.installation.app, repository) is grant.installation
    given = covered and (grant.repositories is None or repository.id in grant.repositories)
    readable = given and grant.permissions.get("contents", "none") != "none"
    if readable or not repository.private:
        return None
    return Answer(status=404, content=b"Repository not found.")
