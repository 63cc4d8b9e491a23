"""GitHub as a `Forge`."""

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
    InstallationAction,
    InstallationChanged,
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
from ekaci_forge_github import events, examination, webhooks
from ekaci_forge_github.api import Api
from ekaci_forge_github.config import GitHubAppConfig
from ekaci_forge_github.deliveries import ask_again
from ekaci_forge_github.faults import ApiFault
from ekaci_forge_github.news import News
from ekaci_forge_github.publishing import Publisher
from ekaci_forge_github.reading import Reader
from ekaci_forge_github.setup import set_webhook
from ekaci_forge_github.uses import Use

FILE_BYTES: Final = 1024 * 1024
# GitHub's are about 80 and 500 requests that make content, "in general":
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
WRITES_PER_MINUTE: Final = 70.0
WRITES_PER_HOUR: Final = 450.0


class GitHubForge:
    """One GitHub App."""

    capabilities = frozenset(ForgeCapability)

    def __init__(self, config: GitHubAppConfig, api: Api) -> None:
        """Take what is open."""
        self._config = config
        self._api = api
        self._reader = Reader(api)
        self._publisher = Publisher(api)
        self._news = News(api, self._reader)

    @property
    def host(self) -> str:
        """The host that people see: ``github.com``."""
        return self._api.addresses.host

    def receive(self, request: WebhookRequest) -> Received | Refused:
        """Check signature and form of a request."""
        return webhooks.receive(request, self._config.webhook_secret, insecure=self._config.insecure_webhooks)

    def parse(self, received: Received) -> ForgeEvent | Ignored:
        """Understand a delivery. What is remembered of installations saves questions and changes no answer."""
        event = events.parse(received, self.host)
        if isinstance(event, InstallationChanged):
            self._api.tokens.forget_account(event.account)
            if event.action is InstallationAction.ADDED:
                for repository in event.repositories:
                    self._api.tokens.note(repository, event.installation)
        return event

    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        """Whether the app is configured for a repository, and for changes to a branch of it."""
        if repository.forge != self.host:
            return False
        permitted = self._config.permissions
        if branch is None:
            return permitted.allows_repository(repository.path)
        return permitted.allows(repository.path, branch)

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Ask for a pull request."""
        return await self._reader.pull_request(repository, number)

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Ask for all that are open."""
        return await self._reader.open_pull_requests(repository)

    async def repositories(self) -> Sequence[RepositoryId]:
        """Ask which repositories the app has been given, of those that the configuration allows."""
        return await self._reader.repositories(self._config.permissions)

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Ask what a person may do; an answer counts for five minutes."""
        return await self._reader.permission(repository, person)

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Ask who has a login now; any token of ours may."""
        return await self._reader.person(repository, login)

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        """Read a file at a commit. One of more than 1 MiB is logged, and as good as none."""
        return await self._reader.read_file(repository, path, sha, FILE_BYTES)

    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        """Say how to fetch: with a token that reads the contents of this repository and can do nothing else."""
        if repository.forge != self.host:
            raise ApiFault("is at another forge", where=str(repository), do="configure an app there")
        grant = await self._api.tokens.on(repository, Use.CONTENTS)
        # https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation
        pair = base64.b64encode(f"x-access-token:{grant.token.reveal()}".encode()).decode()
        url = f"{self._api.addresses.web}/{repository.path}.git"
        return CloneAccess(url, {"Authorization": Secret(f"Basic {pair}")})

    def pull_request_ref(self, number: int) -> str:
        """Name the ref of a pull request's head; GitHub keeps it in the target repository, forks included."""
        return f"refs/pull/{int(number)}/head"

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        """Say how much may be written: GitHub counts by installation, and an account has one of each app."""
        key = f"{self.host}/{self._config.id}/{repository.owner.lower()}"
        return WriteBudget(key, per_minute=WRITES_PER_MINUTE, per_hour=WRITES_PER_HOUR)

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Show a check."""
        return await self._publisher.publish(check, remote)

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Write a comment on a pull request, or change the one named ``remote``."""
        return await self._publisher.comment(repository, number, body, remote)

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Name a comment of the App with a mark in it."""
        return await self._reader.find_comment(repository, number, mark)

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Answer a comment by a thumb."""
        await self._publisher.react(repository, comment, accepted=accepted)

    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:
        """Ask for deliveries that are not known, to be sent again."""
        return await ask_again(self._api, since=since, known=known)

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        """Ask what happened in a repository."""
        return await self._news.since(repository, since)

    async def install_webhook(self, repository: RepositoryId, url: str) -> Finding:
        """Set the webhook of the App, which is one for all of its repositories."""
        del repository
        return await set_webhook(self._api, url, self._config.webhook_secret)

    async def examine(self) -> Sequence[Finding]:
        """Compare what was granted with what is needed."""
        return await examination.examine(self._api)
