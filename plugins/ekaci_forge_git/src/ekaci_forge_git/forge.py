"""A plain repository as a `Forge`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Final

from ekaci_core.api import (
    Branch,
    BranchPushed,
    Check,
    CheckStatus,
    CloneAccess,
    CommitSha,
    EkaciError,
    Finding,
    ForgeCapability,
    ForgeEvent,
    Ignored,
    InfrastructureFault,
    Permission,
    Person,
    Published,
    PublishFailed,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
    Received,
    Refused,
    RepositoryId,
    WebhookRequest,
    WriteBudget,
)
from ekaci_forge_git.cache import Cache, ref_of
from ekaci_forge_git.config import GitRemoteConfig
from ekaci_forge_git.looking import Looking
from ekaci_forge_git.memory import is_made_here, person_of
from ekaci_forge_git.notes import Notes
from ekaci_forge_git.posting import NotTaken, Posting

VERDICT: Final = "EkaCI: Verdict"
"""The check that says whether to merge; the others say how far it is."""
RETRY_SECONDS: Final = 30.0
_NO_WEBHOOKS: Final = 404


class GitForge:
    """One remote."""

    # A check comes with its text, which a note keeps; a comment in its place would have nowhere to stand.
    capabilities = frozenset({ForgeCapability.NEWS, ForgeCapability.CHECK_RUNS})

    def __init__(
        self, config: GitRemoteConfig, cache: Cache, looking: Looking, notes: Notes | None, posting: Posting | None
    ) -> None:
        """Take what is open."""
        self._config = config
        self._cache = cache
        self._looking = looking
        self._notes = notes
        self._posting = posting
        self._repository = cache.remote.repository

    @property
    def host(self) -> str:
        """The host of the remote, ``git.local`` for one on this machine."""
        return self._repository.forge

    def receive(self, request: WebhookRequest) -> Received | Refused:  # noqa: ARG002 - the contract
        """Refuse: nobody sends any."""
        return Refused(_NO_WEBHOOKS, "a plain repository sends no webhooks")

    def parse(self, received: Received) -> ForgeEvent | Ignored:  # noqa: ARG002 - the contract
        """Ignore it."""
        return Ignored("a plain repository sends no webhooks")

    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        """Whether it is this remote."""
        if (repository.forge, repository.path.lower()) != (self.host, self._repository.path.lower()):
            return False
        permitted = self._config.permissions
        if branch is None:
            return permitted.allows_repository(repository.path)
        return permitted.allows(repository.path, branch)

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Look at the remote, and return the branch with a number."""
        self._must_be_mine(repository)
        await self._looking.now()
        change = self._cache.memory.by_number(number)
        return None if change is None else change.pull_request(self._repository)

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Look at the remote, and return all branches that are to be reviewed."""
        self._must_be_mine(repository)
        await self._looking.now()
        return [each.pull_request(self._repository) for each in self._cache.memory.open.values()]

    async def repositories(self) -> Sequence[RepositoryId]:
        """Name the one."""
        return [self._repository] if self.serves(self._repository) else []

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Whoever can push may write, and authors of commits are all that is known of them."""
        mine = self.serves(repository) and is_made_here(person)
        return Permission.WRITE if mine else Permission.NONE

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Find an author of a commit that is under review; there are no other accounts."""
        self._must_be_mine(repository)
        authors = (person_of(each.author) for each in self._cache.memory.changes.values())
        return next((each for each in authors if each.login == login), None)

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        """Read a file of the copy; a commit that is not there yet is looked for."""
        self._must_be_mine(repository)
        if not await self._cache.has(sha):
            await self._looking.now()
        return await self._cache.file(path, sha)

    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        """Point at the copy: nobody else needs the remote's secrets, and what a push replaced is still there."""
        self._must_be_mine(repository)
        if self._cache.memory.base is None:
            await self._looking.now()
        return CloneAccess(str(self._cache.path))

    def pull_request_ref(self, number: int) -> str:
        """Name the ref in the copy."""
        return ref_of(number)

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        """Say how much may be pushed to it."""
        return WriteBudget(str(repository), per_minute=60.0, per_hour=3600.0)

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Push a verdict as a note and post it, as far as that is configured; all else stays with the server."""
        name = remote or hashlib.sha256(f"{check.sha} {check.context}".encode()).hexdigest()[:32]
        if check.context != VERDICT or check.status is not CheckStatus.COMPLETED:
            return Published(name)
        try:
            self._must_be_mine(check.repository)
            if self._notes is not None:
                await self._notes.write(check)
            if self._posting is not None:
                await self._posting.send(check)
        except NotTaken as refusal:
            return PublishFailed(str(refusal))
        except EkaciError as fault:
            return PublishFailed(str(fault), RETRY_SECONDS)
        return Published(name)

    async def comment(
        self,
        repository: RepositoryId,  # noqa: ARG002 - the contract
        number: int,  # noqa: ARG002
        body: str,  # noqa: ARG002
        remote: str | None,  # noqa: ARG002
    ) -> Published | PublishFailed:
        """Refuse: there is no place for comments."""
        return PublishFailed("a plain repository has no comments")

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:  # noqa: ARG002
        """There are no comments."""
        return None

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Do nothing: there are no comments."""

    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:  # noqa: ARG002
        """Nobody sends any."""
        return ()

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        """Look at the remote: where the base is, every branch, and those that went."""
        self._must_be_mine(repository)
        await self._looking.now()
        memory, found = self._cache.memory, list[ForgeEvent]()
        if memory.base is not None:
            tip, before = memory.base_sha, memory.base_before
            found.append(BranchPushed(self._repository, memory.base, before, tip, is_default=True, actor=None))
        for change in memory.changes.values():
            pull = change.pull_request(self._repository)
            if pull.state is PullRequestState.OPEN:
                found.append(PullRequestChanged(PullRequestAction.SYNCHRONIZED, pull, pull.author))
            elif pull.updated_at > since:
                found.append(PullRequestChanged(PullRequestAction.CLOSED, pull, pull.author))
        return found

    async def install_webhook(self, repository: RepositoryId, url: str) -> Finding:  # noqa: ARG002
        """There are none to make."""
        text = "it is polled; a hook post-receive that runs `ekaci poll` has it asked at once"
        return Finding(str(repository), well=True, text=text)

    async def examine(self) -> Sequence[Finding]:
        """Say whether the remote can be fetched."""
        try:
            await self._looking.now()
        except InfrastructureFault as fault:
            return [Finding(str(self._repository), well=False, text=str(fault), feature="everything")]
        count = len(self._cache.memory.open)
        return [Finding(str(self._repository), well=True, text=f"it can be fetched; branches under review: {count}")]

    def _must_be_mine(self, repository: RepositoryId) -> None:
        if not self.serves(repository):
            do = "name the repository as `ekaci prs` does"
            raise InfrastructureFault("it is not this remote", where=str(repository), do=do)
