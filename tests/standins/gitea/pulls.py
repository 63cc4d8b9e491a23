"""Pull requests, comments, reactions and statuses: https://docs.gitea.com/api/1.23/#tag/issue."""

from __future__ import annotations

from typing import Final

from tests.standins.gitea.exchange import Call, Problem, answers
from tests.standins.gitea.records import Comment, Status, moment
from tests.standins.github.exchange import Answer
from tests.standins.github.git import Bare

_STATES: Final = ("pending", "success", "error", "failure", "warning")


@answers("repoListPullRequests", "read:repository")
def pulls(call: Call) -> Answer:
    """List pull requests, the newest first unless told otherwise."""
    wanted = call.query.get("state", "open")
    found = [each for each in call.place.pulls.values() if wanted in ("all", each.state)]
    if call.query.get("sort") == "recentupdate":
        found.sort(key=lambda each: -each.updated_at)
    elif call.query.get("sort") != "oldest":
        found.reverse()
    page, headers = call.page(found)
    return Answer([call.world.shapes.pull(call.place, each) for each in page], headers=headers)


@answers("repoGetPullRequest", "read:repository")
def pull(call: Call) -> Answer:
    """Describe one."""
    return Answer(call.world.shapes.pull(call.place, call.pull))


@answers("repoCreatePullRequest", "write:repository")
def open_pull(call: Call) -> Answer:
    """Open one; ``head`` is a branch, or ``OWNER:BRANCH`` of a fork."""
    owner, _, branch = call.body["head"].rpartition(":")
    source = call.world.find(owner, call.place.name) if owner else call.place
    if source is None or not Bare(source.folder).sha(f"refs/heads/{branch}"):
        raise Problem(404, "The target couldn't be found.")
    made = call.acts.open_pull(
        call.place, branch, by=call.caller.login, source=source, title=call.body["title"], base=call.body["base"]
    )
    return Answer(call.world.shapes.pull(call.place, made), 201)


@answers("repoEditPullRequest", "write:repository")
def edit_pull(call: Call) -> Answer:
    """Change title, base or state."""
    found = call.pull
    if found.author is not call.caller:
        call.need("write")
    changes = {name: call.body[name] for name in ("title", "base", "state") if name in call.body}
    call.acts.edit(call.place, found, by=call.caller.login, **changes)
    return Answer(call.world.shapes.pull(call.place, found), 201)


@answers("repoMergePullRequest", "write:repository")
def merge(call: Call) -> Answer:
    """Merge one."""
    call.need("write")
    if call.pull.state != "open":
        raise Problem(405, "already merged or closed")
    call.acts.merge(call.place, call.pull, by=call.caller)
    return Answer(status=200, content=b"")


@answers("issueGetComments", "read:issue")
def comments(call: Call) -> Answer:
    """List all comments at once, the oldest first."""
    number = call.pull.number
    found = [each for each in call.place.comments.values() if each.number == number]
    shown = [call.world.shapes.comment(call.place, each) for each in found]
    return Answer(shown, headers={"x-total-count": str(len(shown))})


@answers("issueGetRepoComments", "read:issue")
def all_comments(call: Call) -> Answer:
    """List the comments of a repository that changed after a time."""
    since = call.query.get("since", "")
    found = [each for each in call.place.comments.values() if moment(each.updated_at) >= since]
    page, headers = call.page(found)
    return Answer([call.world.shapes.comment(call.place, each) for each in page], headers=headers)


@answers("issueCreateComment", "write:issue")
def comment(call: Call) -> Answer:
    """Comment on a pull request; who may read may comment."""
    made = call.acts.comment(call.place, call.pull, _text(call), by=call.caller)
    return Answer(call.world.shapes.comment(call.place, made), 201)


def _text(call: Call) -> str:
    text: str = call.body["body"]
    if "\0" in text or not text.strip():
        raise Problem(422, "[Body]: Required")
    return text


def _comment(call: Call) -> Comment:
    found = call.place.comments.get(call.number("id"))
    if found is None:
        raise Problem(404, "The target couldn't be found.")
    return found


@answers("issueEditComment", "write:issue")
def edit_comment(call: Call) -> Answer:
    """Change a comment; who may write may change those of others."""
    found = _comment(call)
    if found.user is not call.caller:
        call.need("write")
    found.body, found.updated_at = _text(call), call.world.now()
    call.acts.commented(call.place, found, "edited", call.caller)
    return Answer(call.world.shapes.comment(call.place, found))


@answers("issuePostCommentReaction", "write:issue")
def react(call: Call) -> Answer:
    """Add a reaction; the same one a second time changes nothing."""
    found, content = _comment(call), call.body["content"]
    known = (call.caller, content) in found.reactions
    if not known:
        found.reactions.append((call.caller, content))
    user = call.world.shapes.user(call.caller)
    return Answer({"user": user, "content": content, "created_at": "2026-01-01T00:00:00Z"}, 200 if known else 201)


@answers("repoCreateStatus", "write:repository")
def make_status(call: Call) -> Answer:
    """Add a status: none is ever changed or taken away."""
    call.need("write")
    sha = call.parameters["sha"]
    if Bare(call.place.folder).sha(sha) != sha:
        raise Problem(500, "object does not exist")
    if call.body.get("state") not in _STATES:
        raise Problem(422, "unknown state")
    text = {name: str(call.body.get(name, "")).strip() for name in ("context", "description", "target_url")}
    if len(text["description"]) > 255 or len(text["context"]) > 255:
        raise Problem(422, "too long for what some databases have room for")
    made = Status(
        id=call.world.next_id(), sha=sha, state=call.body["state"], creator=call.caller,
        created_at=call.world.now(), **text,
    )  # fmt: skip
    call.place.statuses[made.id] = made
    return Answer(call.world.shapes.status(call.place, made), 201)


@answers("repoListStatuses", "read:repository")
def statuses(call: Call) -> Answer:
    """List every status that was ever written at a commit, the newest first."""
    found = [each for each in call.place.statuses.values() if each.sha == call.parameters["sha"]]
    page, headers = call.page(found[::-1])
    return Answer([call.world.shapes.status(call.place, each) for each in page], headers=headers)


@answers("repoGetCombinedStatusByRef", "read:repository")
def combined(call: Call) -> Answer:
    """Describe the newest status of each name; nothing at all where there is none, as until 1.22."""
    sha = call.parameters["ref"]
    newest = {each.context: each for each in call.place.statuses.values() if each.sha == sha}
    page, headers = call.page(sorted(newest.values(), key=lambda each: -each.id))
    if not page:
        return Answer(status=200, content=b"")
    # Of the number there is nothing in a header here.
    del headers["x-total-count"]
    shown = [call.world.shapes.status(call.place, each) for each in page]
    body = {
        "state": "pending",
        "sha": sha,
        "total_count": len(shown),
        "statuses": shown,
        "repository": call.world.shapes.repository(call.place),
        "commit_url": "",
        "url": "",
    }
    return Answer(body, headers=headers)


@answers("issueGetCommentReactions", "read:issue")
def reactions(call: Call) -> Answer:
    """List reactions."""
    shapes = call.world.shapes
    found = [{"user": shapes.user(who), "content": what} for who, what in _comment(call).reactions]
    return Answer(found)
