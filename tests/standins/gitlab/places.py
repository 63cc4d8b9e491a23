"""What GitLab says of accounts, projects, members and webhooks."""

from __future__ import annotations

from tests.standins.github.exchange import Answer
from tests.standins.gitlab.exchange import Call, Problem, answers, not_found
from tests.standins.gitlab.records import OWNER, Hook, Project


@answers("user")
def user(call: Call) -> Answer:
    return Answer(call.world.shapes.user(call.caller))


@answers("users")
def users(call: Call) -> Answer:
    wanted = call.query.get("username", "").lower()
    found = [each for each in call.world.accounts.values() if wanted in ("", each.username.lower())]
    page, headers = call.page([call.world.shapes.user(each) for each in found])
    return Answer(page, headers=headers)


@answers("token")
def token(call: Call) -> Answer:
    return Answer(
        {
            "id": 1,
            "name": "ekaci",
            "revoked": False,
            "active": True,
            "scopes": sorted(call.token.scopes),
            "user_id": call.caller.id,
            "expires_at": call.token.expires_at,
        }
    )


@answers("projects")
def projects(call: Call) -> Answer:
    least = int(call.query.get("min_access_level", 1))
    found = [each for each in call.world.projects.values() if call.world.level(each, call.caller) >= least]
    found.sort(key=lambda each: each.id)
    if call.query.get("pagination") == "keyset":
        page, headers = call.keyset_page(found, "id_after", lambda each: str(each.id))
    else:
        page, headers = call.page(found)
    return Answer([_shown(call, each) for each in page], headers=headers)


@answers("project")
def project(call: Call) -> Answer:
    return Answer(_shown(call, call.place))


@answers("create group")
def create_group(call: Call) -> Answer:
    path, above = call.body["path"], call.body.get("parent_id")
    if above is not None:
        path = f"{_group(call, above)}/{path}"
    if path in call.world.groups:
        raise Problem(400, 'Failed to save group {:path=>["has already been taken"]}')
    number = call.world.group(path, {call.caller.username: OWNER})
    return Answer({"id": number, "path": call.body["path"], "full_path": path}, 201)


@answers("delete group")
def delete_group(call: Call) -> Answer:
    path = _group(call, int(call.parameters["group"]))
    if not call.world.group_members[path].get(call.caller.id):
        raise not_found("Group")
    for each in [each for each in call.world.projects.values() if each.path.startswith(f"{path}/")]:
        del call.world.projects[each.id]
    return Answer({"message": "202 Accepted"}, 202)


def _group(call: Call, number: int) -> str:
    found = next((path for path, each in call.world.groups.items() if each == number), None)
    if found is None:
        raise not_found("Group")
    return found


@answers("create project")
def create_project(call: Call) -> Answer:
    space = _group(call, call.body["namespace_id"]) if "namespace_id" in call.body else call.caller.username
    path = f"{space}/{call.body['path']}"
    if call.world.find(path):
        raise Problem(400, {"path": ["has already been taken"]})
    files = {"README.md": "# New\n"} if call.body.get("initialize_with_readme") else None
    private = call.body.get("visibility", "private") == "private"
    made = call.world.project(path, private=private, files=files, members={call.caller.username: OWNER})
    return Answer(_shown(call, made), 201)


@answers("fork")
def fork(call: Call) -> Answer:
    return Answer(_shown(call, call.world.fork(call.place, call.caller.username)), 201)


@answers("delete project")
def delete_project(call: Call) -> Answer:
    del call.world.projects[call.place.id]
    return Answer({"message": "202 Accepted"}, 202)


def _shown(call: Call, place: Project) -> dict[str, object]:
    return call.world.shapes.project(place, *call.world.levels(place, call.caller))


# --- members


@answers("member")
def member(call: Call) -> Answer:
    text = call.parameters["user"]
    account = next((each for each in call.world.accounts.values() if str(each.id) == text), None)
    level = max(call.world.levels(call.place, account)) if account else 0
    if account is None or not level:
        raise Problem(404, "404 Not found")
    shown = call.world.shapes.user(account)
    return Answer({**shown, "access_level": level, "membership_state": "active", "expires_at": None})


@answers("add member")
def add_member(call: Call) -> Answer:
    number, level = call.body["user_id"], call.body["access_level"]
    account = next((each for each in call.world.accounts.values() if each.id == number), None)
    if account is None:
        raise not_found("User")
    if number in call.place.members:
        raise Problem(409, "Member already exists")
    call.place.members[number] = level
    return Answer({**call.world.shapes.user(account), "access_level": level}, 201)


# --- webhooks: https://docs.gitlab.com/api/project_webhooks/


@answers("hooks")
def hooks(call: Call) -> Answer:
    page, headers = call.page([call.world.shapes.hook(call.place, each) for each in call.place.hooks.values()])
    return Answer(page, headers=headers)


@answers("add hook")
def add_hook(call: Call) -> Answer:
    made = Hook(call.world.next_id(), "", "", {"push_events": True})
    call.place.hooks[made.id] = made
    return Answer(_written(call, made), 201)


@answers("edit hook")
def edit_hook(call: Call) -> Answer:
    return Answer(_written(call, _hook(call)))


@answers("delete hook")
def delete_hook(call: Call) -> Answer:
    del call.place.hooks[_hook(call).id]
    return Answer(None, 204)


def _written(call: Call, hook: Hook) -> dict[str, object]:
    body = call.body
    if not body["url"].startswith(("http://", "https://")):
        raise Problem(422, "Invalid url given")
    hook.url, hook.token = body["url"], body.get("token", hook.token)
    hook.signing = body.get("signing_token", hook.signing)
    hook.events |= {name: value for name, value in body.items() if name.endswith("_events")}
    return call.world.shapes.hook(call.place, hook)


def _hook(call: Call) -> Hook:
    text = call.parameters["hook"]
    found = call.place.hooks.get(int(text)) if text.isdecimal() else None
    if found is None:
        raise not_found("Project hook")
    return found
