"""GitLab as a `Forge`."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from typing import Final

from ekaci_core.api import (
    Branch,
    Check,
    CloneAccess,
    CommitSha,
    Finding,
    ForgeCapability,
    ForgeEvent,
    Ignored,
    MergeGroupChanged,
    Permission,
    Person,
    Published,
    PublishFailed,
    PullRequest,
    Received,
    Refused,
    RepositoryId,
    Secret,
    WebhookRequest,
    WriteBudget,
)
from ekaci_forge_gitlab import events, examination, files, hooks, merge_trains, webhooks
from ekaci_forge_gitlab.api import Api
from ekaci_forge_gitlab.config import GitLabConfig
from ekaci_forge_gitlab.news import News
from ekaci_forge_gitlab.notes import Notes
from ekaci_forge_gitlab.places import ref_of
from ekaci_forge_gitlab.publishing import Publisher
from ekaci_forge_gitlab.reading import Reader
from ekaci_forge_gitlab.signatures import WebhookKeys

FILE_BYTES: Final = 1024 * 1024
# gitlab.com bears 60 notes a minute of one account, and 2,000 requests:
# https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom
WRITES_PER_MINUTE: Final = 50.0
WRITES_PER_HOUR: Final = 2000.0


class GitLabForge:
    """One account at one GitLab."""

    capabilities = frozenset(
        {ForgeCapability.MERGE_GROUPS, ForgeCapability.NEWS, ForgeCapability.REACTIONS, ForgeCapability.WEBHOOK_SETUP}
    )

    def __init__(self, config: GitLabConfig, keys: WebhookKeys, api: Api) -> None:
        """Take what is open."""
        self._config = config
        self._keys = keys
        self._api = api
        self._reader = Reader(api)
        self._publisher = Publisher(api)
        self._notes = Notes(api)
        self._news = News(api, self._reader)

    @property
    def host(self) -> str:
        """The host that people see: ``gitlab.com``."""
        return self._api.addresses.host

    def receive(self, request: WebhookRequest) -> Received | Refused:
        """Check signature or secret, and the form of a request."""
        return webhooks.receive(request, self._keys)

    def parse(self, received: Received) -> ForgeEvent | Ignored:
        """Understand a delivery."""
        return events.parse(received, self.host)

    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        """Whether the account is configured for a project, and for changes to a branch of it."""
        if repository.forge != self.host:
            return False
        permitted = self._config.permissions
        if branch is None:
            return permitted.allows_repository(repository.path)
        return permitted.allows(repository.path, branch)

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Ask for a merge request."""
        return await self._reader.pull_request(repository, number)

    async def merge_group(self, repository: RepositoryId, number: int) -> MergeGroupChanged | None:
        """Ask what a pipeline was of; None where it is of no merge train."""
        return await merge_trains.merge_group(self._api, repository, number)

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Ask for all that are open."""
        return await self._reader.open_pull_requests(repository)

    async def repositories(self) -> Sequence[RepositoryId]:
        """Ask which projects the account may write to, of those that the configuration allows."""
        return await self._reader.repositories(self._config.permissions)

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Ask what a person may do; an answer counts for five minutes."""
        return await self._reader.permission(repository, person)

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Ask who has a login now."""
        return await self._reader.person(repository, login)

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        """Read a file at a commit. One of more than 1 MiB is logged, and as good as none."""
        return await files.read_file(self._api, repository, path, sha, FILE_BYTES)

    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        """Say how to fetch: with the token, which GitLab takes as a password of any name."""
        self._api.path_of(repository)  # it is at this forge
        token = await self._api.tokens.token()
        # https://docs.gitlab.com/user/profile/personal_access_tokens/#clone-repository-using-personal-access-token
        pair = base64.b64encode(f"oauth2:{token.reveal()}".encode()).decode()
        url = f"{self._api.addresses.web}/{repository.path}.git"
        return CloneAccess(url, {"Authorization": Secret(f"Basic {pair}")})

    def pull_request_ref(self, number: int) -> str:
        """Name the ref of a merge request's head; GitLab keeps it in the target project, forks included."""
        return ref_of(number)

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        """Say how much may be written: GitLab counts by account."""
        del repository
        return WriteBudget(f"{self.host}/{self._config.id}", per_minute=WRITES_PER_MINUTE, per_hour=WRITES_PER_HOUR)

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Show a check as a commit status."""
        return await self._publisher.publish(check, remote)

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Write a note on a merge request, or change the one named ``remote``."""
        return await self._notes.comment(repository, number, body, remote)

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Name the oldest note of our own account with a mark in it."""
        return await self._notes.find(repository, number, mark)

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Answer a note by a thumb."""
        await self._notes.react(repository, comment, accepted=accepted)

    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:
        """Ask for nothing: GitLab keeps a log for each webhook apart, and shows it to Maintainers alone."""
        del since, known
        return ()

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        """Ask what happened in a project."""
        return await self._news.since(repository, since)

    async def install_webhook(self, repository: RepositoryId, url: str) -> Finding:
        """Make or correct the webhook of a project."""
        config = self._config
        return await hooks.install_webhook(self._api, repository, url, config.webhook_secret, config.signing_token)

    async def examine(self) -> Sequence[Finding]:
        """Compare what the token may do with what is needed."""
        return await examination.examine(self._api, self._config.permissions)
