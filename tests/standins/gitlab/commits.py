"""What GitLab says of commits and files, and their statuses."""

from __future__ import annotations

from typing import Any, Final

from tests.standins.github.exchange import Answer
from tests.standins.github.git import Bare
from tests.standins.gitlab.acts import Acts
from tests.standins.gitlab.exchange import Call, Problem, answers, not_found
from tests.standins.gitlab.records import Pipeline, Status

_BEGINS: Final = {"created", "pending", "running"}
_KINDS: Final = {"040000": "tree", "160000": "commit"}


@answers("branch")
def branch(call: Call) -> Answer:
    sha = Bare(call.place.folder).sha(f"refs/heads/{call.parameters['branch']}")
    if sha is None:
        raise not_found("Branch")
    parents = Bare(call.place.folder)("rev-list", "--parents", "-n1", sha).split()[1:]
    commit = {"id": sha, "parent_ids": parents}
    return Answer({"name": call.parameters["branch"], "commit": commit, "protected": False})


@answers("tree")
def tree(call: Call) -> Answer:
    bare = Bare(call.place.folder)
    sha = bare.sha(call.query.get("ref", "HEAD"))
    path = call.query.get("path", "").strip("/")
    entry = bare.entry(sha, path) if sha else None
    if entry is None or entry[1] != "tree":
        raise not_found("Tree")
    items = [
        {"id": found, "name": name, "type": _KINDS.get(mode, "blob"), "path": f"{path}/{name}".strip("/"), "mode": mode}
        for name, mode, _, found in bare.listing(entry[2])
    ]
    if call.query.get("pagination") == "keyset":
        page, headers = call.keyset_page(items, "page_token", lambda item: str(item["path"]))
    else:
        page, headers = call.page(items)
    return Answer(page, headers=headers)


@answers("blob")
def blob(call: Call) -> Answer:
    sha = call.parameters["blob"]
    try:
        content = Bare(call.place.folder).blob(sha)
    except AssertionError:
        raise not_found("Blob") from None
    return Answer(content=content, headers={"content-type": "application/octet-stream"})


@answers("commit")
def commit(call: Call) -> Answer:
    project, body = call.place, call.body
    bare, name = Bare(project.folder), body["branch"]
    there = bare.sha(f"refs/heads/{name}")
    begin = body.get("start_sha") or body.get("start_branch")
    if there and begin and not body.get("force"):
        raise Problem(400, f"A branch called '{name}' already exists.")
    under = bare.sha(begin) if begin else there
    if begin and under is None:
        raise Problem(400, "Invalid start commit")
    files: dict[str, Any] = {}
    for action in body["actions"]:
        if action["action"] not in ("create", "update", "delete"):
            raise Problem(400, "actions[0][action] does not have a valid value", error=True)
        files[action["file_path"]] = None if action["action"] == "delete" else action["content"]
    after = bare.commit(name, files, message=body["commit_message"], parent=under)
    Acts(call.world).pushed(project, name, there, after, call.caller)
    return Answer({"id": after, "short_id": after[:8], "title": body["commit_message"]}, 201)


@answers("one commit")
def one_commit(call: Call) -> Answer:
    sha = _commit(call)
    parents = Bare(call.place.folder)("rev-list", "--parents", "-n1", sha).split()[1:]
    return Answer({"id": sha, "short_id": sha[:8], "parent_ids": parents})


@answers("pipeline")
def pipeline(call: Call) -> Answer:
    text = call.parameters["pipeline"]
    found = call.place.pipelines.get(int(text)) if text.isdecimal() else None
    if found is None:
        raise Problem(404, "404 Not found")
    return Answer(call.world.shapes.pipeline(call.place, found))


@answers("commit merge requests")
def commit_merge_requests(call: Call) -> Answer:
    """All that have the commit, wherever in their history and whatever became of them."""
    sha = _commit(call)
    bare = Bare(call.place.folder)
    found = [
        each
        for each in call.place.merge_requests.values()
        if bare("for-each-ref", "--format=%(refname)", "--contains", sha, f"refs/merge-requests/{each.iid}/head")
        and not bare("for-each-ref", "--format=%(refname)", "--contains", sha, f"refs/heads/{each.target_branch}")
    ]
    page, headers = call.page([call.world.shapes.merge_request(call.place, each, listed=True) for each in found])
    return Answer(page, headers=headers)


# --- statuses: https://docs.gitlab.com/api/commits/#set-commit-pipeline-status


@answers("statuses")
def statuses(call: Call) -> Answer:
    sha, query = _commit(call), call.query
    found = [
        each
        for each in call.place.statuses.values()
        if each.pipeline.sha == sha
        and (query.get("all") == "true" or not each.retried)
        and query.get("name", each.name) == each.name
        and query.get("ref", each.pipeline.ref) == each.pipeline.ref
    ]
    page, headers = call.page([call.world.shapes.status(each) for each in found])
    return Answer(page, headers=headers)


@answers("set status")
def set_status(call: Call) -> Answer:
    sha, body = _commit(call), call.body
    pipeline = _pipeline(call, sha)
    name = body.get("name") or body.get("context") or "default"
    there = [each for each in call.place.statuses.values() if each.pipeline is pipeline and each.name == name]
    under_way = [each for each in there if each.state in _BEGINS and not each.retried and each.author is call.caller]
    status = under_way[-1] if under_way else Status(call.world.next_id(), pipeline, name, call.caller)
    _advance(status, body["state"])
    status.description = body.get("description", status.description)
    status.target_url = body.get("target_url", status.target_url)
    status.writes += 1
    for older in there:
        older.retried = older is not status
    call.place.statuses[status.id] = status
    return Answer(call.world.shapes.status(status), 201)


def _pipeline(call: Call, sha: str) -> Pipeline:
    """Find the pipeline that a status goes to, or make one."""
    number, ref, project = call.body.get("pipeline_id"), call.body.get("ref"), call.place
    found = [
        each
        for each in project.pipelines.values()
        if each.sha == sha and number in (None, each.id) and ref in (None, each.ref)
    ]
    if found:
        return max(found, key=lambda each: each.id)
    if number is not None:
        raise not_found("Pipeline for pipeline_id, sha and ref")
    if ref is None:
        names = Bare(project.folder)("for-each-ref", "--format=%(refname:lstrip=2)", "--contains", sha, "refs/heads")
        if not names:
            raise not_found("References for commit")
        ref = names.splitlines()[0]
    made = Pipeline(call.world.next_id(), sha, ref, "external")
    project.pipelines[made.id] = made
    for request in project.merge_requests.values():
        # A merge request shows the pipelines of its own branch, in its own project.
        if request.source is project and request.source_branch == ref and request.sha == sha:
            request.pipeline = made.id
    return made


def _advance(status: Status, state: str) -> None:
    """Change a state as GitLab's state machine does, which refuses to begin what has begun."""
    before = status.state
    allowed = {
        "pending": {"created"},
        "running": {"created", "pending"},
        "success": _BEGINS,
        "failed": _BEGINS,
        "canceled": _BEGINS,
        "skipped": {"created"},
    }
    if before not in allowed[state]:
        event = {"pending": "enqueue", "running": "run"}.get(state, state)
        reason = (
            f'Cannot transition status via :{event} from :{before} (Reason(s): Status cannot transition via "{event}")'
        )
        raise Problem(400, reason)
    status.state = state


def _commit(call: Call) -> str:
    sha = Bare(call.place.folder).sha(call.parameters["sha"])
    if sha is None:
        raise not_found("Commit")
    return sha
