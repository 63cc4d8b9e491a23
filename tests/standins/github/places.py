"""Repositories, branches, commits and files: https://docs.github.com/en/rest/repos and /git"""

from __future__ import annotations

import base64
import posixpath
from typing import Any, Final

from tests.standins.github.exchange import Answer, Call, Problem, answers
from tests.standins.github.git import Bare
from tests.standins.github.records import ROLES

SMALL_BYTES: Final = 1024 * 1024
LARGE_BYTES: Final = 100 * SMALL_BYTES
_TYPES: Final = {"120000": "symlink", "160000": "submodule", "040000": "dir"}
_LEGACY: Final = {"none": "none", "read": "read", "triage": "read", "write": "write", "maintain": "write"}


@answers("repos/get")
def repository(call: Call) -> Answer:
    """Describe a repository."""
    return Answer(call.world.shapes.repository(call.place))


@answers("repos/get-collaborator-permission-level")
def permission(call: Call) -> Answer:
    """Say what an account may do: in the old words, and by the name of the role."""
    account = call.world.accounts.get(call.parameters["username"].lower())
    if account is None:
        raise Problem(404, f"{call.parameters['username']} is not a user")
    role = call.place.role(account)
    level = ROLES.index(role)
    may = {
        name: level >= ROLES.index(needed)
        for name, needed in
        {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}.items()
    }  # fmt: skip
    user = call.world.shapes.user(account) | {"role_name": role, "permissions": may}
    return Answer({"permission": _LEGACY.get(role, role), "role_name": role, "user": user})


def _branch(call: Call, name: str, sha: str) -> dict[str, Any]:
    link = f"{call.world.shapes.api}/repos/{call.place.full_name}/commits/{sha}"
    return {"name": name, "commit": {"sha": sha, "url": link}, "protected": False}


@answers("repos/list-branches")
def branches(call: Call) -> Answer:
    """List branches."""
    page, headers = call.page(sorted(Bare(call.place.folder).branches().items()))
    return Answer([_branch(call, *each) for each in page], headers=headers)


@answers("repos/get-branch")
def branch(call: Call) -> Answer:
    """Describe a branch."""
    name = call.parameters["branch"]
    sha = Bare(call.place.folder).branches().get(name)
    if sha is None:
        raise Problem(404, "Branch not found")
    return Answer(_branch(call, name, sha))


@answers("git/get-ref")
def ref(call: Call) -> Answer:
    """Describe a ref."""
    name = f"refs/{call.parameters['ref']}"
    sha = Bare(call.place.folder).sha(name)
    if sha is None:
        raise Problem(404, "Not Found")
    return Answer({"ref": name, "object": {"type": "commit", "sha": sha}})


@answers("repos/get-commit")
def commit(call: Call) -> Answer:
    """Describe a commit; only its hash where that is asked for."""
    bare = Bare(call.place.folder)
    sha = bare.sha(call.parameters["ref"])
    if sha is None:
        raise Problem(422, f"No commit found for SHA: {call.parameters['ref']}")
    if "sha" in _media(call):
        return Answer(content=sha.encode(), headers={"content-type": "application/vnd.github.sha; charset=utf-8"})
    tree, parents, name, email, date, message = bare(
        "log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%T%x00%P%x00%an%x00%ae%x00%cd%x00%B", sha
    ).split("\0")
    person = {"name": name, "email": email, "date": date}
    facts = {"author": person, "committer": person, "message": message, "tree": {"sha": tree}}
    return Answer({"sha": sha, "commit": facts, "parents": [{"sha": each} for each in parents.split()]})


@answers("git/get-tree")
def tree(call: Call) -> Answer:
    """List what a directory holds, with everything below it where that is asked for."""
    bare = Bare(call.place.folder)
    named = call.parameters["tree_sha"]
    sha = bare.sha(named)
    sha = bare("rev-parse", f"{sha}^{{tree}}") if sha else named
    try:
        entries = bare.listing(sha)
        if call.query.get("recursive"):
            shown = bare.raw("ls-tree", "-r", "-t", "-z", sha).decode(errors="surrogateescape").split("\0")
            entries = [(name, *facts.split()) for facts, _, name in (each.partition("\t") for each in shown if each)]  # type: ignore[misc]
    except AssertionError:
        raise Problem(404, "Not Found") from None
    listed = [{"path": name, "mode": mode, "type": kind, "sha": sha} for name, mode, kind, sha in entries]
    return Answer({"sha": sha, "tree": listed, "truncated": False})


@answers("git/get-blob")
def blob(call: Call) -> Answer:
    """Return a file by its hash."""
    try:
        data = Bare(call.place.folder).blob(call.parameters["file_sha"])
    except AssertionError:
        raise Problem(404, "Not Found") from None
    if "raw" in _media(call):
        return Answer(content=data, headers={"content-type": "application/vnd.github.raw+json; charset=utf-8"})
    sha = call.parameters["file_sha"]
    return Answer({"sha": sha, "size": len(data), "encoding": "base64", "content": base64.encodebytes(data).decode()})


@answers("repos/get-content")
def content(call: Call) -> Answer:
    """Return a file or a directory.

    A symbolic link to a file of the repository is followed, as the page says; another is described:
    https://docs.github.com/en/rest/repos/contents#get-repository-content
    """
    bare = Bare(call.place.folder)
    named = call.query.get("ref") or call.place.default_branch
    sha, path = bare.sha(named), call.parameters["path"].strip("/")
    if sha is None:
        raise Problem(404, f"No commit found for the ref {named}")
    found = bare.entry(sha, path)
    if found is None:
        raise Problem(404, "Not Found")
    if found[0] == "120000":
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), bare.blob(found[2]).decode()))
        followed = None if target.startswith(("/", "..")) else bare.entry(sha, target)
        if followed is None or followed[1] != "blob" or followed[0] == "120000":
            return Answer(_entry(call, path, *found) | {"target": bare.blob(found[2]).decode()})
        found = followed
    if found[1] == "tree":
        listed = [_entry(call, posixpath.join(path, name), *facts) for name, *facts in bare.listing(found[2])]
        return Answer(_entry(call, path, *found) | {"entries": listed} if "object" in _media(call) else listed)
    return _file(call, path, found, bare.blob(found[2]))


def _file(call: Call, path: str, found: tuple[str, str, str], data: bytes) -> Answer:
    media, body = _media(call), _entry(call, path, *found)
    if len(data) > LARGE_BYTES or (len(data) > SMALL_BYTES and not media & {"raw", "object"}):
        error = {"resource": "Blob", "field": "data", "code": "too_large"}
        raise Problem(403, "This API returns blobs up to 1 MB in size.", [error])
    if "raw" in media:
        return Answer(content=data, headers={"content-type": "application/vnd.github.raw+json; charset=utf-8"})
    if len(data) > SMALL_BYTES:
        return Answer(body | {"size": len(data), "encoding": "none", "content": ""})
    text = base64.encodebytes(data).decode()
    return Answer(body | {"size": len(data), "encoding": "base64", "content": text})


def _entry(call: Call, path: str, mode: str, kind: str, sha: str) -> dict[str, Any]:
    del kind
    link = f"{call.world.shapes.api}/repos/{call.place.full_name}/contents/{path}"
    named = {"name": posixpath.basename(path), "path": path, "sha": sha, "type": _TYPES.get(mode, "file"), "size": 0}
    return named | {"url": link, "git_url": link, "html_url": link, "download_url": link}


def _media(call: Call) -> set[str]:
    """Return what GitHub's own media types ask for: https://docs.github.com/en/rest/using-the-rest-api/media-types."""
    accepted = call.headers.get("accept", "").split(",")
    parts = [each.split(";")[0].strip().removeprefix("application/vnd.github") for each in accepted]
    return {word for part in parts for word in part.split("+")[0].split(".") if word}
