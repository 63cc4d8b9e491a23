"""What GitLab says of merge requests and notes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from tests.standins.github.exchange import Answer
from tests.standins.github.git import Bare
from tests.standins.gitlab.acts import Acts
from tests.standins.gitlab.exchange import Call, Problem, answers, not_found
from tests.standins.gitlab.records import DEVELOPER, Account, Note
from tests.standins.gitlab.world import World


@answers("merge requests")
def merge_requests(call: Call) -> Answer:
    wanted = call.query.get("state", "all")
    after = datetime.fromisoformat(call.query.get("updated_after", "1970-01-01T00:00:00+00:00")).timestamp()
    found = [
        each
        for each in call.place.merge_requests.values()
        if wanted in ("all", each.state) and each.updated_at >= after
    ]
    found.sort(key=lambda each: each.iid, reverse=call.query.get("sort", "desc") == "desc")
    page, headers = call.page([call.world.shapes.merge_request(call.place, each, listed=True) for each in found])
    return Answer(page, headers=headers)


@answers("merge request")
def merge_request(call: Call) -> Answer:
    return Answer(call.world.shapes.merge_request(call.place, call.merge_request(), listed=False))


@answers("open merge request")
def open_merge_request(call: Call) -> Answer:
    source, body = call.place, call.body
    target = call.world.find(str(body.get("target_project_id", source.id)))
    if target is None or not Bare(target.folder).sha(f"refs/heads/{body['target_branch']}"):
        raise Problem(400, {"target_branch": ["does not exist"]})
    if not Bare(source.folder).sha(f"refs/heads/{body['source_branch']}"):
        raise Problem(400, {"source_branch": ["does not exist"]})
    for each in target.merge_requests.values():
        if each.state == "opened" and each.source is source and each.source_branch == body["source_branch"]:
            raise Problem(409, [f"Another open merge request already exists for this source branch: !{each.iid}"])
    made = Acts(call.world).open(
        target, body["source_branch"], by=call.caller.username, target=body["target_branch"], source=source,
        title=body["title"],
    )  # fmt: skip
    return Answer(call.world.shapes.merge_request(target, made, listed=False), 201)


@answers("edit merge request")
def edit_merge_request(call: Call) -> Answer:
    request, acts, by = call.merge_request(), Acts(call.world), call.caller.username
    if call.caller is not request.author and call.world.level(call.place, call.caller) < DEVELOPER:
        raise Problem(403, "403 Forbidden")
    if "state_event" in call.body:
        (acts.close if call.body["state_event"] == "close" else acts.reopen)(call.place, request, by=by)
    if "title" in call.body:
        acts.retitle(call.place, request, call.body["title"], by=by)
    if "target_branch" in call.body:
        acts.retarget(call.place, request, call.body["target_branch"], by=by)
    return Answer(call.world.shapes.merge_request(call.place, request, listed=False))


# --- notes: https://docs.gitlab.com/api/notes/#merge-requests


@answers("notes")
def notes(call: Call) -> Answer:
    iid = call.merge_request().iid
    found = [each for each in call.place.notes.values() if each.iid == iid]
    found.sort(key=lambda each: (each.created_at, each.id), reverse=call.query.get("sort", "desc") == "desc")
    page, headers = call.page([call.world.shapes.note(each) for each in found])
    return Answer(page, headers=headers)


@answers("add note")
def add_note(call: Call) -> Answer:
    request = call.merge_request()
    if not call.body["body"].strip():
        raise Problem(400, "400 Bad request - Note can't be blank")
    made = Acts(call.world).comment(call.place, request, call.body["body"], by=call.caller)
    return Answer(call.world.shapes.note(made), 201)


@answers("edit note")
def edit_note(call: Call) -> Answer:
    note = _note(call)
    if note.author is not call.caller and call.world.level(call.place, call.caller) < 40:
        raise Problem(403, "403 Forbidden")
    Acts(call.world).edit(call.place, note, call.body["body"])
    return Answer(call.world.shapes.note(note))


@answers("events")
def events(call: Call) -> Answer:
    """Only what was said; ``after`` is a day that is left out itself."""
    after = call.query.get("after", "")
    found = [
        {
            "id": each.id,
            "project_id": call.place.id,
            "action_name": "commented on",
            "target_id": each.id,
            "target_type": "Note",
            "author": call.world.shapes.user(each.author),
            "created_at": call.world.shapes.note(each)["created_at"],
            "note": call.world.shapes.note(each),
        }
        for each in call.place.notes.values()
        if datetime.fromtimestamp(each.created_at, UTC).date().isoformat() > after
    ]
    found.sort(key=lambda each: int(str(each["id"])), reverse=call.query.get("sort", "desc") == "desc")
    page, headers = call.page(found)
    return Answer(page, headers=headers)


@answers("emoji")
def emoji(call: Call) -> Answer:
    page, headers = call.page([{"id": who, "name": name} for who, name in _note(call).emoji])
    return Answer(page, headers=headers)


def _note(call: Call) -> Note:
    text, iid = call.parameters["note"], call.merge_request().iid
    found = call.place.notes.get(int(text)) if text.isdecimal() else None
    if found is None or found.iid != iid:
        raise not_found("Note")
    return found


# --- GraphQL: https://docs.gitlab.com/api/graphql/reference/#mutationawardemojiadd


def answer_graphql(world: World, caller: Account, body: Any) -> Answer:
    """Answer the one mutation that there is; of GraphQL itself nothing is understood but its name and variables."""
    query = " ".join(str(body.get("query", "")).split())
    wanted = r"mutation\(\$note: AwardableID!, \$name: String!\) \{ awardEmojiAdd\(input: \{awardableId: \$note, .*"
    variables = body.get("variables")
    if not re.fullmatch(wanted, query) or not isinstance(variables, dict):
        world.problems.append(f"GraphQL: {query}")
        return Answer({"errors": [{"message": "Parse error on the query"}]})
    found = re.fullmatch(r"gid://gitlab/Note/(\d+)", str(variables.get("note")))
    number = int(found[1]) if found else 0
    project = next((each for each in world.projects.values() if number in each.notes), None)
    if project is None or (project.private and not world.level(project, caller)):
        message = "The resource that you are attempting to access does not exist or you don't have permission"
        return Answer({"data": {"awardEmojiAdd": None}, "errors": [{"message": message}]})
    reaction = (caller.id, str(variables.get("name")))
    errors = ["Award Emoji Name has already been taken"] if reaction in project.notes[number].emoji else []
    if not errors:
        project.notes[number].emoji.append(reaction)
    return Answer({"data": {"awardEmojiAdd": {"errors": errors}}})
