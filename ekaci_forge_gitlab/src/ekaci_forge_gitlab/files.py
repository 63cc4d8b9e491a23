"""Files at a commit."""

from __future__ import annotations

from typing import Any

from ekaci_core.api import CommitSha, RepositoryId
from ekaci_core.api.fields import Fields, Malformed, clean
from ekaci_forge_gitlab.api import PAGE, Api, strange
from ekaci_forge_gitlab.client import Call
from ekaci_forge_gitlab.faults import NOT_FOUND, ApiFault
from ekaci_forge_gitlab.transport import TooLong

_PLAIN = ("100644", "100755", "100664")


async def read_file(api: Api, repository: RepositoryId, path: str, sha: CommitSha, most_bytes: int) -> bytes | None:
    """Read a file at a commit; None for whatever else stands at the path, and for one that is too long.

    Raises:
        ApiFault: GitLab does not answer.
    """
    if any(part in ("", ".", "..") for part in path.split("/")) or clean(path) != path:
        return None
    blob = await _blob(api, repository, path, sha)
    if blob is None:
        return None
    call = Call("GET", f"{api.path_of(repository)}/repository/blobs/{blob}/raw", raw=True, most_bytes=most_bytes)
    try:
        data = (await api.send(call)).data
    except TooLong:
        api.log.warning("file_too_long", repository=str(repository), path=path, sha=sha, most_bytes=most_bytes)
        return None
    except ApiFault as fault:
        if fault.status == NOT_FOUND:
            return None
        raise
    return data if isinstance(data, bytes) else None


async def _blob(api: Api, repository: RepositoryId, path: str, sha: CommitSha) -> CommitSha | None:
    """Look into the folder: asked for the file itself, GitLab does not say that it is a symbolic link.

    https://docs.gitlab.com/api/repositories/#list-all-repository-trees-in-a-project
    """
    folder = path.rpartition("/")[0]
    query: dict[str, str | int] = {"ref": sha, "per_page": PAGE, "pagination": "keyset"}
    if folder:
        query["path"] = folder
    call = Call("GET", f"{api.path_of(repository)}/repository/tree", query)
    try:
        async for item in api.pages(call):
            if _is(item, path):
                return Fields(item).sha("id")
    except Malformed as error:
        raise strange(error, call) from None
    except ApiFault as fault:
        if fault.status != NOT_FOUND:
            raise
    return None


def _is(item: Any, path: str) -> bool:
    return isinstance(item, dict) and item.get("path") == path and item.get("mode") in _PLAIN
