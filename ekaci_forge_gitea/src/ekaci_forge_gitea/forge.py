"""Gitea as a `Forge`."""

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
from ekaci_forge_gitea import events, examination, webhooks
from ekaci_forge_gitea.client import Client, Surroundings
from ekaci_forge_gitea.config import GiteaConfig
from ekaci_forge_gitea.faults import ApiFault
from ekaci_forge_gitea.hooks import Hooks
from ekaci_forge_gitea.news import News
from ekaci_forge_gitea.publishing import Publisher
from ekaci_forge_gitea.reading import Reader

FILE_BYTES: Final = 1024 * 1024
# Gitea sets no limit; it is often a small machine, and every status stays there for ever.
WRITES_PER_MINUTE: Final = 120.0
WRITES_PER_HOUR: Final = 2400.0


class GiteaForge:
    """One account at one instance."""

    capabilities = frozenset({ForgeCapability.REACTIONS, ForgeCapability.NEWS, ForgeCapability.WEBHOOK_SETUP})

    def __init__(self, config: GiteaConfig, around: Surroundings, client: Client) -> None:
        """Take what is open."""
        self._config = config
        self._around = around
        self._client = client
        self._reader = Reader(client, around.addresses.host, around.clock, around.log)
        self._news = News(client, self._reader, around.log)
        self._publisher = Publisher(client)
        self._hooks = Hooks(client)

    @property
    def host(self) -> str:
        """The host that people see."""
        return self._around.addresses.host

    def receive(self, request: WebhookRequest) -> Received | Refused:
        """Check signature and form of a request, and that it is of this instance."""
        secret, insecure = self._config.webhook_secret, self._config.insecure_webhooks
        return webhooks.receive(request, secret, self.host, insecure=insecure)

    def parse(self, received: Received) -> ForgeEvent | Ignored:
        """Understand a delivery."""
        return events.parse(received, self.host)

    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        """Whether the instance is configured for a repository, and for changes to a branch of it."""
        if repository.forge != self.host:
            return False
        permitted = self._config.permissions
        if branch is None:
            return permitted.allows_repository(repository.path)
        return permitted.allows(repository.path, branch)

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Ask for a pull request."""
        self._check_host(repository)
        return await self._reader.pull_request(repository, number)

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Ask for all that are open."""
        self._check_host(repository)
        return await self._reader.open_pull_requests(repository)

    async def repositories(self) -> Sequence[RepositoryId]:
        """Ask which repositories the account may write to, of those that the configuration allows."""
        return await self._reader.repositories(self._config.permissions)

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Ask what a person may do; an answer counts for five minutes."""
        self._check_host(repository)
        return await self._reader.permission(repository, person)

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Ask who has a login now."""
        self._check_host(repository)
        return await self._reader.person(login)

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        """Read a file at a commit. One of more than 1 MiB is logged, and as good as none."""
        self._check_host(repository)
        return await self._reader.read_file(repository, path, sha, FILE_BYTES)

    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        """Say how to fetch: with the token, in a header."""
        self._check_host(repository)
        token = self._around.tokens.of(await self._around.tokens.lease())
        # https://docs.gitea.com/development/api-usage#authentication: as a password it needs no user's name
        pair = base64.b64encode(f"ekaci:{token.reveal()}".encode()).decode()
        url = f"{self._around.addresses.web}/{repository.path}.git"
        return CloneAccess(url, {"Authorization": Secret(f"Basic {pair}")})

    def pull_request_ref(self, number: int) -> str:
        """Name the ref of a pull request's head; Gitea keeps it in the target repository, forks included."""
        return f"refs/pull/{int(number)}/head"

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        """Say how much may be written, by the account."""
        del repository
        key = f"{self.host}/{self._config.id}"
        return WriteBudget(key, per_minute=WRITES_PER_MINUTE, per_hour=WRITES_PER_HOUR)

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Show a check as a commit status; the newest of its name counts, whatever another is called."""
        del remote
        return await self._publisher.publish(check)

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Write a comment on a pull request, or change the one named ``remote``."""
        return await self._publisher.comment(repository, number, body, remote)

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Name a comment of the account with a mark in it."""
        self._check_host(repository)
        return await self._reader.find_comment(repository, number, mark)

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Answer a comment by a thumb."""
        self._check_host(repository)
        await self._publisher.react(repository, comment, accepted=accepted, log=self._around.log)

    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:
        """Return none: Gitea keeps a log of deliveries, and shows it to people alone."""
        del since, known
        return ()

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        """Ask what happened in a repository."""
        self._check_host(repository)
        return await self._news.since(repository, since)

    async def install_webhook(self, repository: RepositoryId, url: str) -> Finding:
        """Have the events of a repository sent here."""
        self._check_host(repository)
        return await self._hooks.install(repository, url, self._config.webhook_secret)

    async def examine(self) -> Sequence[Finding]:
        """Compare what the account may do with what is needed."""
        return await examination.examine(self._client, self._reader, self._hooks, self._config.permissions)

    def _check_host(self, repository: RepositoryId) -> None:
        if repository.forge != self.host:
            raise ApiFault("is at another forge", where=str(repository), do="configure an instance there")
