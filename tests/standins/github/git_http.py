"""Git over HTTP, by git's own program, behind GitHub's question for a token."""

from __future__ import annotations

import base64
import re
from typing import Final

from tests.standins.git_backend import GitRequest, serve_git
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
    asked = GitRequest(seen.method, found[3], query, seen.headers, body)
    status, headers, content = await serve_git(repository.folder, asked)
    return Answer(status=status, content=content, headers=headers)


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
