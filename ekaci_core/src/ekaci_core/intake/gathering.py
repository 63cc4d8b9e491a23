"""Looks up what the decision about an event needs, and nothing else: each look-up at a forge is a request."""

from __future__ import annotations

from typing import Final

import attrs

from ekaci_core.api import Forge, TellsMergeGroups
from ekaci_core.intake.comment_command import Approve, parse_comment
from ekaci_core.intake.facts import Facts, Standing
from ekaci_core.intake.needs import IntakeStore
from ekaci_core.intake.pace import CommandPace
from ekaci_core.intake.policy import IntakePolicy
from ekaci_core.intake.subject import branch_of, repository_of
from ekaci_core.intake.wishes import queued_pull_request
from ekaci_core.model.button import Button
from ekaci_core.model.forge import Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.model.forge_event import (
    CheckActionRequested,
    CommentCreated,
    ForgeEvent,
    InstallationAction,
    InstallationChanged,
    MergeGroupAction,
    MergeGroupChanged,
    MergeGroupTouched,
    PullRequestChanged,
    PullRequestTouched,
    RerunRequested,
    WorkflowRequested,
)
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import Occasion, ReviewState
from ekaci_core.registry.open_forge import OpenForge

_MOST_PULL_REQUESTS: Final = 10_000


class Gathering:
    """Looks things up in the store and at forges."""

    def __init__(self, store: IntakeStore, policy: IntakePolicy) -> None:
        self._store = store
        self._policy = policy
        self._pace = CommandPace()

    async def facts(self, event: ForgeEvent, at: OpenForge) -> Facts:
        """Look up what there is to know.

        Raises:
            InfrastructureFault: the forge or the store does not answer now.
        """
        repository, forge = repository_of(event), at.forge
        served = repository is None or forge.serves(repository, branch_of(event))
        facts = Facts(host=forge.host, instance=at.instance, served=served)
        if isinstance(event, InstallationChanged):
            return attrs.evolve(facts, repositories=await self._concerned(event, forge))
        return await self._of_event(event, forge, facts) if served else facts

    async def _of_event(  # noqa: PLR0911 - one case for each kind of event
        self, event: ForgeEvent, forge: Forge, facts: Facts
    ) -> Facts:
        match event:
            case PullRequestChanged():
                return await self._with_pull_request(facts, event.pull_request, forge)
            case PullRequestTouched():
                return await self._touched(event, forge, facts)
            case MergeGroupChanged(action=MergeGroupAction.CHECKS_REQUESTED):
                return await self._of_merge_group(event, forge, facts)
            case MergeGroupTouched():
                return await self._touched_group(event, forge, facts)
            case RerunRequested():
                return await self._of_rerun(event, forge, facts)
            case CheckActionRequested(identifier=Button.APPROVE):
                return await self._with_actor(facts, forge, event.repository, event.actor)
            case WorkflowRequested() if self._policy.something_waits:
                return await self._with_actor(facts, forge, event.repository, event.actor)
            case CommentCreated() if not event.by_bot and parse_comment(event.body):
                return await self._of_comment(event, forge, facts)
            case _:
                return facts

    async def _with_pull_request(self, facts: Facts, pull: PullRequest, forge: Forge) -> Facts:
        if pull.state is not PullRequestState.OPEN:
            return facts
        standing = await self._standing(pull, forge)
        return attrs.evolve(facts, ref=forge.pull_request_ref(pull.number), standing=standing)

    async def _touched(self, event: PullRequestTouched, forge: Forge, facts: Facts) -> Facts:
        current = await forge.pull_request(event.repository, event.number)
        if current is None:
            return facts
        served = forge.serves(current.repository, current.base)
        facts = attrs.evolve(facts, current=current, served=served)
        return await self._with_pull_request(facts, current, forge) if served else facts

    async def _touched_group(self, event: MergeGroupTouched, forge: Forge, facts: Facts) -> Facts:
        group = await forge.merge_group(event.repository, event.number) if isinstance(forge, TellsMergeGroups) else None
        if group is None:
            return facts
        facts = attrs.evolve(facts, group=group, served=forge.serves(group.repository, group.base))
        return await self._of_event(group, forge, facts) if facts.served else facts

    async def _of_merge_group(self, event: MergeGroupChanged, forge: Forge, facts: Facts) -> Facts:
        if not self._policy.merge_queue_require_approval:
            return facts
        number = queued_pull_request(event.head)
        pull = None if number is None else await self._store.known_pull_request(event.repository, number)
        standing = await self._standing(pull, forge) if pull else Standing()
        approved = await self._is_commit_approved(event.repository, event.head_sha)
        before = await self._store.reviews_of(event.repository, sha=event.base_sha)
        waits = any(each.wish.occasion is Occasion.MERGE_GROUP and each.state is ReviewState.WAITING for each in before)
        return attrs.evolve(facts, standing=standing, approved_group=approved, waiting_base=waits)

    async def _of_rerun(self, event: RerunRequested, forge: Forge, facts: Facts) -> Facts:
        if any(
            each.wish.occasion.is_reported for each in await self._store.reviews_of(event.repository, sha=event.sha)
        ):
            return attrs.evolve(facts, reviewed=True)
        known = await self._store.known_pull_requests(event.repository, limit=_MOST_PULL_REQUESTS)
        pull = next((each for each in known if each.head_sha == event.sha), None)
        facts = attrs.evolve(facts, known=pull)
        return await self._with_pull_request(facts, pull, forge) if pull else facts

    async def _of_comment(self, event: CommentCreated, forge: Forge, facts: Facts) -> Facts:
        if not self._pace.allows(event.author, event.repository, event.comment, event.created_at):
            return attrs.evolve(facts, at_pace=False)
        current = await forge.pull_request(event.repository, event.number)
        known = await self._store.known_pull_request(event.repository, event.number)
        facts = await self._with_actor(facts, forge, event.repository, event.author)
        facts = attrs.evolve(facts, current=current, known=known)
        if current and not known and isinstance(parse_comment(event.body), Approve):
            return await self._with_pull_request(facts, current, forge)
        return facts

    async def _with_actor(self, facts: Facts, forge: Forge, repository: RepositoryId, actor: Person) -> Facts:
        return attrs.evolve(facts, actor=await forge.permission(repository, actor))

    async def _standing(self, pull: PullRequest, forge: Forge) -> Standing:
        return Standing(
            permission=await forge.permission(pull.repository, pull.author),
            approved_user=await self._is_approved(pull.repository.forge, pull.author),
            approved_commit=await self._is_commit_approved(pull.repository, pull.head_sha),
        )

    async def _is_approved(self, host: str, person: Person) -> bool:
        return person.id > 0 and any(each.person.id == person.id for each in await self._store.approved_users(host))

    async def _is_commit_approved(self, repository: RepositoryId, sha: CommitSha) -> bool:
        return await self._store.commit_approval(repository, sha) is not None

    async def _concerned(self, event: InstallationChanged, forge: Forge) -> tuple[RepositoryId, ...]:
        if event.repositories:
            return event.repositories
        if event.action in (InstallationAction.ADDED, InstallationAction.UNSUSPENDED):
            given = await forge.repositories()
        else:
            given = await self._store.installed(forge.host)
        account = event.account.lower()
        return tuple(each for each in given if each.path.lower().startswith(f"{account}/"))
