"""GitLab's description of a merge request. Pure.

https://docs.gitlab.com/api/merge_requests/#get-single-mr; lists have the same fields but for ``diff_refs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ekaci_core.api import CommitSha, Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.api.fields import Fields

PATH: Final = "path_with_namespace"
"""Where the path of a project stands in its description, nested groups included."""

# What GitLab shows for accounts that are gone: https://docs.gitlab.com/user/profile/account/delete_account/
GHOST: Final = Person("ghost", 1)

_STATES: Final[Mapping[str, PullRequestState]] = {
    "opened": PullRequestState.OPEN,
    # While it is being merged.
    "locked": PullRequestState.OPEN,
    "merged": PullRequestState.MERGED,
}


def pull_request_of(
    described: Fields, repository: RepositoryId, base_sha: CommitSha, origin: RepositoryId | None
) -> PullRequest:
    """Return the merge request of ``repository`` that is described.

    Args:
        described: GitLab's answer.
        repository: the target project.
        base_sha: where the target branch is.
        origin: the source project, None where it is gone or not shown to us.

    Raises:
        Malformed: something is missing or is not what its name says.
    """
    return PullRequest(
        repository=repository,
        number=described.number("iid"),
        title=described.line("title"),
        author=described.person("author", "username") if described.has("author") else GHOST,
        state=_STATES.get(described.text("state"), PullRequestState.CLOSED),
        draft=described.flag("draft") or described.flag("work_in_progress"),
        base=described.branch("target_branch"),
        base_sha=base_sha,
        head=described.branch("source_branch"),
        head_sha=described.sha("sha"),
        head_repository=origin,
        updated_at=whole(described.time("updated_at")),
    )


def whole(moment: float) -> float:
    """Return a time in whole seconds: deliveries about notes have no others, and are compared with merge requests."""
    return float(int(moment))


def base_sha_of(described: Fields) -> CommitSha | None:
    """Return where the target branch was when the merge request was compared with it, None where it was not told."""
    refs = described.object("diff_refs") if described.has("diff_refs") else None
    return refs.sha("start_sha") if refs is not None and refs.has("start_sha") else None
