"""Accounts, repositories, files and webhooks: https://docs.gitea.com/api/1.23/#tag/repository."""

from __future__ import annotations

from tests.standins.gitea.deliveries import expanded
from tests.standins.gitea.exchange import Call, Problem, answers
from tests.standins.gitea.records import Hook, Repository
from tests.standins.github.exchange import Answer
from tests.standins.github.git import Bare


@answers("getVersion", "")
def version(call: Call) -> Answer:
    """Say which one it is."""
    return Answer({"version": call.world.version})


@answers("adminCreateUser", "write:admin")
def make_account(call: Call) -> Answer:
    """Make an account."""
    if not call.caller.is_admin:
        raise Problem(403, "user should be the site admin")
    if call.body["username"].lower() in call.world.accounts:
        raise Problem(422, "user already exists")
    return Answer(call.world.shapes.user(call.world.account(call.body["username"], call.body["password"])), 201)


@answers("userCreateToken", "password")
def make_token(call: Call) -> Answer:
    """Give a token to who knows the password."""
    made = call.world.token(call.caller.login, frozenset(call.body.get("scopes", ())), call.body["name"])
    body = {
        "id": made.id,
        "name": made.name,
        "sha1": made.value,
        "token_last_eight": made.value[-8:],
        "scopes": sorted(made.scopes),
    }
    return Answer(body, 201)


@answers("userGetCurrent", "read:user")
def current(call: Call) -> Answer:
    """Describe who asks."""
    return Answer(call.world.shapes.user(call.caller))


@answers("userGet", "read:user")
def user(call: Call) -> Answer:
    """Describe an account."""
    found = call.world.accounts.get(call.parameters["username"].lower())
    if found is None:
        raise Problem(404, "user redirect does not exist")
    return Answer(call.world.shapes.user(found))


@answers("userCurrentListRepos", "read:repository read:user")
def my_repositories(call: Call) -> Answer:
    """List what the account owns or was made a collaborator of."""
    all_of_them = call.world.repositories.values()
    mine = [each for each in all_of_them if each.owner is call.caller or call.caller.id in each.roles]
    page, headers = call.page(mine)
    return Answer([call.world.shapes.repository(each, call.caller) for each in page], headers=headers)


@answers("createCurrentUserRepo", "write:repository write:user")
def make_repository(call: Call) -> Answer:
    """Make a repository, empty or with a first commit."""
    files = {"README.md": "# New\n"} if call.body.get("auto_init") else None
    private = bool(call.body.get("private"))
    made = call.world.repository(f"{call.caller.login}/{call.body['name']}", private=private, files=files)
    return Answer(call.world.shapes.repository(made, call.caller), 201)


@answers("repoGet", "read:repository")
def repository(call: Call) -> Answer:
    """Describe a repository."""
    return Answer(call.world.shapes.repository(call.place, call.caller))


@answers("repoGetBranch", "read:repository")
def branch(call: Call) -> Answer:
    """Describe a branch."""
    sha = Bare(call.place.folder).branches().get(call.parameters["branch"])
    if sha is None:
        raise Problem(404, "The target couldn't be found.")
    return Answer({"name": call.parameters["branch"], "commit": {"id": sha, "message": ""}, "protected": False})


@answers("repoGetSingleCommit", "read:repository")
def commit(call: Call) -> Answer:
    """Describe a commit."""
    bare = Bare(call.place.folder)
    sha = bare.sha(call.parameters["sha"])
    if sha is None:
        raise Problem(404, "The target couldn't be found.")
    parents = bare("rev-list", "--parents", "-n", "1", sha).split()[1:]
    return Answer({"sha": sha, "parents": [{"sha": each} for each in parents]})


@answers("createFork", "write:repository")
def fork(call: Call) -> Answer:
    """Fork a repository."""
    made = call.world.fork(call.place, call.caller.login)
    return Answer(call.world.shapes.repository(made, call.caller), 202)


@answers("repoAddCollaborator", "write:repository")
def add_collaborator(call: Call) -> Answer:
    """Let somebody do more."""
    call.need("admin")
    account = call.world.accounts.get(call.parameters["collaborator"].lower())
    if account is None:
        raise Problem(422, "user does not exist")
    call.place.roles[account.id] = call.body.get("permission", "write")
    return Answer(status=204)


@answers("repoGetRepoPermissions", "read:repository")
def permission(call: Call) -> Answer:
    """Say what an account may do; only administrators are told of others."""
    account = call.world.accounts.get(call.parameters["collaborator"].lower())
    if account is not call.caller and not call.place.allows(call.caller, "admin"):
        raise Problem(403, "Only admins can query all permissions, repo admins can query all repo permissions")
    if account is None:
        raise Problem(404, "user does not exist")
    role = call.place.role(account)
    return Answer({"permission": role, "role_name": role, "user": call.world.shapes.user(account)})


@answers("repoGetContents", "read:repository")
def contents(call: Call) -> Answer:
    """Say what stands at a path; symbolic links are not followed."""
    bare, path = Bare(call.place.folder), call.parameters["filepath"].strip("/")
    commit = bare.sha(call.query.get("ref") or call.place.default_branch)
    entry = bare.entry(commit, path) if commit else None
    if entry is None:
        raise Problem(404, "GetContentsOrList")
    if entry[1] != "tree":
        return Answer(call.world.shapes.entry(bare, path, entry, whole=True))
    listed = [
        call.world.shapes.entry(bare, f"{path}/{name}", (mode, kind, sha), whole=False)
        for name, mode, kind, sha in bare.listing(entry[2])
    ]
    return Answer(listed)


@answers("repoListHooks", "read:repository")
def hooks(call: Call) -> Answer:
    """List webhooks."""
    call.need("admin")
    page, headers = call.page(list(call.place.hooks.values()))
    return Answer([call.world.shapes.hook(each) for each in page], headers=headers)


@answers("repoCreateHook", "write:repository")
def make_hook(call: Call) -> Answer:
    """Make a webhook; two may have the same address."""
    call.need("admin")
    config = call.body["config"]
    for name in ("url", "content_type"):
        if name not in config:
            raise Problem(422, f"Missing config option: {name}")
    made = Hook(
        call.world.next_id(), call.body["type"], config["url"], config["content_type"], config.get("secret", ""),
        expanded(call.body.get("events", [])), call.body.get("active", False), call.body.get("branch_filter", ""),
    )  # fmt: skip
    call.place.hooks[made.id] = made
    return Answer(call.world.shapes.hook(made), 201)


@answers("repoEditHook", "write:repository")
def edit_hook(call: Call) -> Answer:
    """Change a webhook; what is not named of its events is off."""
    call.need("admin")
    found = _hook(call.place, call)
    config = call.body.get("config", {})
    found.url, found.secret = config.get("url", found.url), config.get("secret", found.secret)
    found.content_type = config.get("content_type", found.content_type)
    found.events = expanded(call.body.get("events", []))
    found.active = call.body.get("active", found.active)
    return Answer(call.world.shapes.hook(found))


@answers("repoDeleteHook", "write:repository")
def delete_hook(call: Call) -> Answer:
    """Delete a webhook."""
    call.need("admin")
    del call.place.hooks[_hook(call.place, call).id]
    return Answer(status=204)


@answers("repoTestHook", "write:repository")
def send_test(call: Call) -> Answer:
    """Send a test."""
    call.need("admin")
    _hook(call.place, call)
    call.acts.test_hook(call.place, by=call.caller)
    return Answer(status=204)


def _hook(repository: Repository, call: Call) -> Hook:
    found = repository.hooks.get(call.number("id"))
    if found is None:
        raise Problem(404, "The target couldn't be found.")
    return found
