"""Where the statuses of a commit belong: to which pipeline, and to which ref.

GitLab keeps statuses in pipelines, and a merge request shows one pipeline. Without a hint a status goes to the newest
pipeline of the commit, or to a new one for any branch that has it: that of another merge request, as like as not.
https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ekaci_core.api import CommitSha, RepositoryId
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_gitlab.api import PAGE, Api, strange
from ekaci_forge_gitlab.client import Call
from ekaci_forge_gitlab.faults import NOT_FOUND, ApiFault


@attrs.frozen
class Place:
    """What goes with a status."""

    pipeline: int | None = None
    ref: str | None = None

    @property
    def fields(self) -> Mapping[str, Any]:
        """As they are sent."""
        named = {"pipeline_id": self.pipeline, "ref": self.ref}
        return {name: value for name, value in named.items() if value is not None}


def ref_of(number: int) -> str:
    """Name the ref of the target project at which the head of a merge request is kept, forks included.

    https://docs.gitlab.com/user/project/merge_requests/merge_request_troubleshooting/#check-out-locally-through-the-head-ref
    """
    return f"refs/merge-requests/{int(number)}/head"


async def place_of(api: Api, repository: RepositoryId, sha: CommitSha) -> Place:
    """Find where the statuses of a commit belong, which has none yet.

    That is the pipeline that the open merge request of the commit shows, where it is one of this project and commit.
    Else it is one for the source branch, or for the merge request's own ref where it comes from a fork: statuses in the
    fork itself would need rights there, and its owner could write them as well.

    Raises:
        ApiFault: GitLab does not answer.
    """
    call = Call("GET", f"{api.path_of(repository)}/repository/commits/{sha}/merge_requests", {"per_page": PAGE})
    try:
        async for item in api.pages(call):
            described = Fields(item)
            if described.text("state", "") == "opened" and described.text("sha", "") == sha:
                return await _of_merge_request(api, repository, sha, described)
    except Malformed as error:
        raise strange(error, call) from None
    except ApiFault as fault:
        if fault.status != NOT_FOUND:
            raise
    return Place()


async def _of_merge_request(api: Api, repository: RepositoryId, sha: CommitSha, listed: Fields) -> Place:
    number = listed.number("iid")
    call = Call("GET", f"{api.path_of(repository)}/merge_requests/{number}")
    described = Fields((await api.send(call)).data)
    target = described.number("target_project_id")
    if described.has("head_pipeline"):
        pipeline = described.object("head_pipeline")
        # That of a merged result is for another commit, that of a fork in another project.
        if pipeline.text("sha", "") == sha and pipeline.number("project_id") == target:
            return Place(pipeline.number("id"), pipeline.text("ref"))
    own = described.has("source_project_id") and described.number("source_project_id") == target
    return Place(None, described.text("source_branch") if own else ref_of(number))
