"""Merge trains: pipelines for what the target branch would be with all merge requests up to one merged.

A delivery about a pipeline does not say whether it is of a train, nor what the train stands on; the API does.
https://docs.gitlab.com/ci/pipelines/merge_trains/
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from ekaci_core.api import (
    Branch,
    CommitSha,
    ForgeEvent,
    Ignored,
    MergeGroupAction,
    MergeGroupChanged,
    MergeGroupTouched,
    RepositoryId,
)
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_gitlab.api import Api, strange
from ekaci_forge_gitlab.client import Call
from ekaci_forge_gitlab.faults import NOT_FOUND, ApiFault
from ekaci_forge_gitlab.merge_requests import PATH
from ekaci_forge_gitlab.reading import tip_of

# https://docs.gitlab.com/api/pipelines/#list-project-pipelines
_UNDER_WAY: Final = ("created", "waiting_for_resource", "preparing", "pending", "running", "manual", "scheduled")
_OVER: Final = ("success", "failed", "canceled", "skipped")
_TRAIN: Final = re.compile(r"refs/(merge-requests/([1-9][0-9]{0,11})/train)")
_MERGE: Final = 2


def pipeline(body: Fields, host: str) -> ForgeEvent | Ignored:
    """Understand that a pipeline began or ended. Pure.

    https://docs.gitlab.com/user/project/integrations/webhook_events/#pipeline-events
    """
    described = body.object("object_attributes")
    if described.text("source", "") != "merge_request_event" or not body.has("merge_request"):
        return Ignored("pipeline: not of a merge request")
    # Those between change nothing for us.
    if described.text("status") not in ("pending", "running", *_OVER):
        return Ignored("pipeline: nothing to do yet")
    return MergeGroupTouched(body.object("project").repository(host, PATH), described.number("id"))


@attrs.frozen
class _Train:
    number: int
    ref: str
    sha: CommitSha
    over: bool


async def merge_group(api: Api, repository: RepositoryId, number: int) -> MergeGroupChanged | None:
    """Ask what a pipeline was of; None where it is of no merge train.

    Raises:
        ApiFault: GitLab does not answer.
    """
    call = Call("GET", f"{api.path_of(repository)}/pipelines/{int(number)}")
    try:
        train = _train(Fields((await api.send(call)).data))
        return None if train is None else await _described(api, repository, train)
    except ApiFault as fault:
        if fault.status == NOT_FOUND:
            return None
        raise
    except Malformed as error:
        raise strange(error, call) from None


def _train(described: Fields) -> _Train | None:
    found = _TRAIN.fullmatch(described.text("ref", ""))
    if found is None:
        return None
    over = described.text("status") not in _UNDER_WAY
    return _Train(int(found[2]), found[1], described.sha("sha"), over)


async def _described(api: Api, repository: RepositoryId, train: _Train) -> MergeGroupChanged | None:
    place = api.path_of(repository)
    request = Fields((await api.send(Call("GET", f"{place}/merge_requests/{train.number}"))).data)
    base = request.branch("target_branch")
    commit = Fields((await api.send(Call("GET", f"{place}/repository/commits/{train.sha}"))).data)
    onto = await _stands_on(api, repository, commit, base)
    if onto is None:
        return None
    return MergeGroupChanged(
        action=MergeGroupAction.DESTROYED if train.over else MergeGroupAction.CHECKS_REQUESTED,
        repository=repository,
        base=base,
        base_sha=onto,
        head=Branch.parse(train.ref),
        head_sha=train.sha,
        author=request.object("author").line("name", "") if request.has("author") else "",
        ref=f"refs/{train.ref}",
    )


async def _stands_on(api: Api, repository: RepositoryId, commit: Fields, base: Branch) -> CommitSha | None:
    """Return what a train's commit is compared with: its first parent, which has the train before it.

    Where the project merges without merge commits nobody says that: then it is the target branch.
    """
    parents = [str(each) for each in commit.values("parent_ids")]
    if len(parents) < _MERGE:
        return await tip_of(api, repository, base)
    return Fields({"parent": parents[0]}, "parent_ids").sha("parent")
