"""What decisions about an event need to know besides the event."""

from __future__ import annotations

import attrs

from ekaci_core.model.forge import Permission, PullRequest, RepositoryId
from ekaci_core.model.forge_event import MergeGroupChanged


@attrs.frozen(kw_only=True)
class Standing:
    """How far the author of a change is trusted, and the change itself.

    Attributes:
        permission: what the author may do in the repository that the change is for.
        approved_user: whether an operator trusts the author until further notice.
        approved_commit: whether somebody approved the head commit.
    """

    permission: Permission = Permission.NONE
    approved_user: bool = False
    approved_commit: bool = False

    @property
    def may_write(self) -> bool:
        """Whether the author could push to the repository anyway."""
        return self.permission >= Permission.WRITE

    @property
    def may_run(self) -> bool:
        """Whether nobody has to approve the change first."""
        return self.may_write or self.approved_user or self.approved_commit


@attrs.frozen(kw_only=True)
class Facts:
    """What was looked up for one event; what its kind does not need has its default.

    Attributes:
        host: the forge's host.
        instance: the operator's name of the forge.
        served: whether it is configured for the repository, and for the branch that the change is to go into.
        ref: at which head can be fetched from the repository.
        standing: of the pull request that the event is of, or that comes last in the merge group.
        approved_group: whether somebody approved the commit of a merge group.
        waiting_base: whether a merge group is built on another that waits for its approval.
        actor: what the one who acts may do: who writes a comment, presses a button, starts a workflow.
        at_pace: whether that person gives commands slowly enough.
        known: the pull request as the forge told it last.
        current: as the forge shows it now.
        group: the merge group that an event was of, as the forge shows it.
        reviewed: whether there is a review of the commit.
        repositories: all that the forge gives us, or that it gave us and takes away.
    """

    host: str = ""
    instance: str = ""
    served: bool = True
    ref: str = ""
    standing: Standing = Standing()
    approved_group: bool = False
    waiting_base: bool = False
    actor: Permission = Permission.NONE
    at_pace: bool = True
    known: PullRequest | None = None
    current: PullRequest | None = None
    group: MergeGroupChanged | None = None
    reviewed: bool = False
    repositories: tuple[RepositoryId, ...] = ()

    @property
    def actor_may_write(self) -> bool:
        """Whether the one who acts may write to the repository."""
        return self.actor >= Permission.WRITE
