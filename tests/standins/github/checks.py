"""Check runs and statuses: https://docs.github.com/en/rest/checks and https://docs.github.com/en/rest/commits/statuses"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.standins.github.exchange import Answer, Call, Problem, answers, validation_failed
from tests.standins.github.git import Bare
from tests.standins.github.records import CheckRun, CommitStatus, moment

LONGEST_BYTES: Final = 65_535
"""The published limit is in characters; what GitHub really counts is bytes: https://github.com/github/docs/issues/35252."""
STATUSES_OF_CONTEXT: Final = 1000
LONGEST_NAME: Final = 255


def _commit(call: Call, name: str) -> str:
    found = Bare(call.place.folder).sha(name)
    if found is None:
        raise Problem(422, f"No commit found for SHA: {name}")
    return found


@answers("checks/create")
def create(call: Call) -> Answer:
    """Make a check run. Names need not be unique: asked twice, GitHub makes two."""
    sha = call.body["head_sha"]
    if _commit(call, sha) != sha:
        raise Problem(422, f"No commit found for SHA: {sha}")
    world, repository = call.world, call.place
    made = CheckRun(
        id=world.next_id(),
        app=call.caller,
        name=call.body["name"],
        head_sha=sha,
        suite=world.suite(repository, call.caller, sha),
        started_at=moment(world.now()),
    )
    _change(call, made)
    repository.checks[made.id] = made
    _told(call, made, "created")
    return Answer(world.shapes.check_run(repository, made), 201)


def _found(call: Call) -> CheckRun:
    found = call.place.checks.get(call.number("check_run_id"))
    if found is None:
        raise Problem(404, "Not Found")
    return found


@answers("checks/update")
def update(call: Call) -> Answer:
    """Change a check run; annotations are added to those that are there."""
    found = _found(call)
    if found.app is not call.caller:
        raise Problem(403, "Invalid app_id - check run can only be modified by the GitHub App that created it.")
    _change(call, found)
    _told(call, found, "completed" if found.status == "completed" else "created")
    return Answer(call.world.shapes.check_run(call.place, found))


def _change(call: Call, check: CheckRun) -> None:
    body = call.body
    output: Mapping[str, Any] = body.get("output") or {}
    _check_lengths(body, output)
    status, conclusion = body.get("status"), body.get("conclusion")
    if status == "completed" and conclusion is None:
        raise Problem(422, 'Invalid request.\n\nMissing required parameter "conclusion" for a completed check run.')
    if conclusion is not None and status in ("queued", "in_progress"):
        raise Problem(422, "Invalid request.\n\nA check run that has a conclusion is completed.")
    if conclusion == "stale":
        raise validation_failed("CheckRun", "conclusion", "invalid")
    if conclusion is not None or status is not None:
        check.status, check.conclusion = ("completed" if conclusion else status or "queued"), conclusion
        check.completed_at = body.get("completed_at") or (moment(call.world.now()) if conclusion else None)
    for name in ("name", "external_id", "details_url", "started_at", "actions"):
        if name in body:
            setattr(check, name, body[name])
    for name in ("title", "summary", "text"):
        if name in output:
            setattr(check, name, output[name])
    check.annotations += output.get("annotations", ())
    check.writes += 1


def _check_lengths(body: Mapping[str, Any], output: Mapping[str, Any]) -> None:
    for name in ("summary", "text"):
        if len(output.get(name, "").encode(errors="surrogatepass")) > LONGEST_BYTES:
            raise validation_failed("CheckRun", name, "custom", f"{name} exceeds a maximum bytesize of {LONGEST_BYTES}")
    named = {
        "title": output.get("title", ""),
        "name": body.get("name", "x"),
        "id": body.get("external_id", ""),
    }
    for name, text in named.items():
        if len(text) > LONGEST_NAME:
            raise validation_failed("CheckRun", name, "custom", f"{name} is too long")
    if not named["name"].strip():
        raise validation_failed("CheckRun", "name", "missing_field")
    if output and not output.get("summary", "").strip():
        raise validation_failed("CheckRun", "summary", "missing_field")
    for each in output.get("annotations", ()):
        if not 1 <= each["start_line"] <= each["end_line"]:
            raise validation_failed("CheckRun", "annotations", "invalid")
        if len(each["message"].encode(errors="surrogatepass")) > 64 * 1024 or len(each.get("title", "")) > LONGEST_NAME:
            raise validation_failed("CheckRun", "annotations", "custom", "an annotation is too long")


def _told(call: Call, check: CheckRun, action: str) -> None:
    body = {"action": action, "check_run": call.world.shapes.check_run(call.place, check)}
    bot = call.world.account(f"{check.app.slug}[bot]", "Bot")
    call.world.tell("check_run", body, repository=call.place, sender=bot, only=check.app)


@answers("checks/get")
def get(call: Call) -> Answer:
    """Describe a check run."""
    return Answer(call.world.shapes.check_run(call.place, _found(call)))


@answers("checks/list-annotations")
def list_annotations(call: Call) -> Answer:
    """List what was remarked in files."""
    given = [{"start_column": None, "end_column": None, "raw_details": None, "title": None, **each}
             for each in _found(call).annotations]  # fmt: skip
    page, headers = call.page(given)
    return Answer(page, headers=headers)


@answers("checks/list-for-ref")
def list_for_ref(call: Call) -> Answer:
    """List check runs at a commit; of those with one name and App only the latest, unless all are asked for."""
    sha, query = _commit(call, call.parameters["ref"]), call.query
    runs = [each for each in reversed(call.place.checks.values()) if each.head_sha == sha]
    if "check_name" in query:
        runs = [each for each in runs if each.name == query["check_name"]]
    if "status" in query:
        runs = [each for each in runs if each.status == query["status"]]
    if "app_id" in query:
        runs = [each for each in runs if str(each.app.id) == query["app_id"]]
    if query.get("filter", "latest") == "latest":
        runs = list({(each.app.id, each.name): each for each in reversed(runs)}.values())
    page, headers = call.page(runs)
    shown = [call.world.shapes.check_run(call.place, each) for each in page]
    return Answer({"total_count": len(runs), "check_runs": shown}, headers=headers)


@answers("checks/list-suites-for-ref")
def suites(call: Call) -> Answer:
    """List check suites at a commit."""
    sha = _commit(call, call.parameters["ref"])
    apps = [call.world.apps[app] for app, at in call.place.suites if at == sha]
    page, headers = call.page(apps)
    shown = [call.world.shapes.check_suite(call.place, each, sha) for each in page]
    return Answer({"total_count": len(apps), "check_suites": shown}, headers=headers)


@answers("repos/create-commit-status")
def create_status(call: Call) -> Answer:
    """Set a status."""
    sha, body = _commit(call, call.parameters["sha"]), call.body
    context = body.get("context", "default")
    if sum(each.sha == sha and each.context == context for each in call.place.statuses) >= STATUSES_OF_CONTEXT:
        raise Problem(422, f"This SHA and context has reached the maximum number of statuses ({STATUSES_OF_CONTEXT}).")
    if len(body.get("description") or "") > 140:
        raise validation_failed("Status", "description", "custom", "description is too long")
    bot = call.world.account(f"{call.caller.slug}[bot]", "Bot")
    made = CommitStatus(
        call.world.next_id(), sha, context, body["state"], body.get("description"), body.get("target_url"), bot
    )
    call.place.statuses.append(made)
    return Answer(call.world.shapes.status(made), 201)


@answers("repos/list-commit-statuses-for-ref")
def statuses(call: Call) -> Answer:
    """List statuses, the newest first."""
    sha = _commit(call, call.parameters["ref"])
    page, headers = call.page([each for each in reversed(call.place.statuses) if each.sha == sha])
    return Answer([call.world.shapes.status(each) for each in page], headers=headers)


@answers("repos/get-combined-status-for-ref")
def combined(call: Call) -> Answer:
    """Say how all statuses together stand."""
    sha = _commit(call, call.parameters["ref"])
    newest = list({each.context: each for each in call.place.statuses if each.sha == sha}.values())
    states = {each.state for each in newest}
    state = "failure" if states & {"failure", "error"} else "success" if states == {"success"} else "pending"
    page, headers = call.page(newest)
    body = {
        "state": state,
        "sha": sha,
        "total_count": len(newest),
        "statuses": [call.world.shapes.status(each) for each in page],
        "repository": call.world.shapes.repository(call.place),
    }
    return Answer(body, headers=headers)
