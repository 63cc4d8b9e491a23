"""Pull requests, comments and reactions: https://docs.github.com/en/rest/pulls, /issues and /reactions"""

from __future__ import annotations

from typing import Any, Final

from tests.standins.github.exchange import Answer, Call, Problem, answers, validation_failed
from tests.standins.github.git import Bare
from tests.standins.github.people import People
from tests.standins.github.records import Comment, Pull, moment

LONGEST_BODY: Final = 65_536
_CHANGES: Final = {"A": "added", "D": "removed", "M": "modified", "T": "changed", "R": "renamed"}


@answers("pulls/list")
def listed(call: Call) -> Answer:
    """List pull requests, the newest first."""
    query, wanted = call.query, call.query.get("state", "open")
    pulls = [each for each in call.place.pulls.values() if wanted in ("all", each.state)]
    if "base" in query:
        pulls = [each for each in pulls if each.base == query["base"]]
    if "head" in query:
        pulls = [each for each in pulls if call.world.shapes.pull(call.place, each)["head"]["label"] == query["head"]]
    key = "updated_at" if query.get("sort") == "updated" else "number"
    pulls.sort(key=lambda each: getattr(each, key), reverse=query.get("direction", "desc") == "desc")
    page, headers = call.page(pulls)
    shown = [call.world.shapes.pull(call.place, each) for each in page]
    for each in shown:
        del each["merged"]
    return Answer(shown, headers=headers)


@answers("repos/list-pull-requests-associated-with-commit")
def of_commit(call: Call) -> Answer:
    """List pull requests whose head is a commit."""
    sha = call.parameters["commit_sha"]
    page, headers = call.page([each for each in call.place.pulls.values() if each.head_sha == sha])
    return Answer([call.world.shapes.pull(call.place, each) for each in page], headers=headers)


def _pull(call: Call, name: str = "pull_number") -> Pull:
    found = call.place.pulls.get(call.number(name))
    if found is None:
        raise Problem(404, "Not Found")
    return found


@answers("pulls/get")
def get(call: Call) -> Answer:
    """Describe a pull request."""
    found = _pull(call)
    merge = Bare(call.place.folder).sha(f"refs/pull/{found.number}/merge")
    return Answer(
        call.world.shapes.pull(call.place, found) | {"mergeable": merge is not None, "merge_commit_sha": merge}
    )


@answers("pulls/list-files")
def files(call: Call) -> Answer:
    """List the files that a pull request changes."""
    found, bare = _pull(call), Bare(call.place.folder)
    shown = bare("diff", "--name-status", "--no-renames", f"{found.base_sha}...{found.head_sha}").splitlines()
    changes = [line.split("\t") for line in shown]
    page, headers = call.page([{"filename": name, "status": _CHANGES[kind[0]]} for kind, name in changes])
    return Answer(page, headers=headers)


@answers("pulls/list-reviews")
def reviews(call: Call) -> Answer:
    """List reviews."""
    number = _pull(call).number
    page, headers = call.page([each for each in call.place.reviews if each.number == number])
    shown = [call.world.shapes.review(each) for each in page]
    return Answer([each | {"state": each["state"].upper()} for each in shown], headers=headers)


def _body(call: Call) -> str:
    text: str = call.body["body"]
    if not text.strip():
        raise validation_failed("IssueComment", "body", "missing_field")
    if len(text) > LONGEST_BODY:
        message = f"Body is too long (maximum is {LONGEST_BODY} characters)"
        raise validation_failed("IssueComment", "body", "unprocessable", message)
    return text


def _comment(call: Call) -> Comment:
    found = call.place.comments.get(call.number("comment_id"))
    if found is None:
        raise Problem(404, "Not Found")
    return found


@answers("issues/create-comment")
def comment(call: Call) -> Answer:
    """Comment on a pull request."""
    now, bot = call.world.now(), call.world.account(f"{call.caller.slug}[bot]", "Bot")
    made = Comment(call.world.next_id(), _pull(call, "issue_number").number, _body(call), bot, now, now)
    call.place.comments[made.id] = made
    People(call.world).commented(call.place, made, "created")
    return Answer(call.world.shapes.comment(call.place, made), 201)


@answers("issues/update-comment")
def edit_comment(call: Call) -> Answer:
    """Change a comment."""
    found = _comment(call)
    found.body, found.updated_at = _body(call), call.world.now()
    People(call.world).commented(call.place, found, "edited")
    return Answer(call.world.shapes.comment(call.place, found))


@answers("issues/get-comment")
def get_comment(call: Call) -> Answer:
    """Describe a comment."""
    return Answer(call.world.shapes.comment(call.place, _comment(call)))


@answers("issues/list-comments")
def comments(call: Call) -> Answer:
    """List comments, the oldest first."""
    number, since = _pull(call, "issue_number").number, call.query.get("since", "")
    wanted = [each for each in call.place.comments.values() if each.number == number]
    page, headers = call.page([each for each in wanted if moment(each.updated_at) >= since])
    return Answer([call.world.shapes.comment(call.place, each) for each in page], headers=headers)


@answers("issues/list-comments-for-repo")
def all_comments(call: Call) -> Answer:
    """List the comments of a repository; ``sort`` and ``direction`` count only with each other."""
    since = call.query.get("since", "")
    wanted = [each for each in call.place.comments.values() if moment(each.updated_at) >= since]
    wanted.sort(key=lambda each: each.updated_at, reverse=call.query.get("direction") == "desc")
    page, headers = call.page(wanted)
    return Answer([call.world.shapes.comment(call.place, each) for each in page], headers=headers)


@answers("issues/delete-comment")
def delete_comment(call: Call) -> Answer:
    """Delete a comment."""
    del call.place.comments[_comment(call).id]
    return Answer(status=204)


def _reaction(call: Call, number: int, who: Any, content: str) -> dict[str, Any]:
    return {"id": number, "node_id": f"RE_{number}", "user": call.world.shapes.user(who), "content": content}


@answers("reactions/create-for-issue-comment")
def react(call: Call) -> Answer:
    """Add a reaction; the same one a second time changes nothing."""
    found, content = _comment(call), call.body["content"]
    bot = call.world.account(f"{call.caller.slug}[bot]", "Bot")
    for number, who, text in found.reactions:
        if (who, text) == (bot, content):
            return Answer(_reaction(call, number, who, text))
    found.reactions.append((call.world.next_id(), bot, content))
    return Answer(_reaction(call, *found.reactions[-1]), 201)


@answers("reactions/list-for-issue-comment")
def reactions(call: Call) -> Answer:
    """List reactions."""
    page, headers = call.page(_comment(call).reactions)
    return Answer([_reaction(call, *each) for each in page], headers=headers)
