"""An open forge as the rest of the program gets it: every call bounded, every surprise a value or a fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, NoReturn, TypeVar

from ekaci_core.api import (
    Branch,
    Check,
    CloneAccess,
    CommitSha,
    Finding,
    Forge,
    ForgeCapability,
    ForgeEvent,
    Ignored,
    InfrastructureFault,
    Logger,
    Permission,
    Person,
    Published,
    PublishFailed,
    PullRequest,
    Received,
    Refused,
    RepositoryId,
    WebhookRequest,
    WriteBudget,
)
from ekaci_core.model.errors import EkaciError
from ekaci_core.registry.apart import LEFT_BEHIND_AFTER_SECONDS
from ekaci_core.registry.guard import Surprise, Translating, guarded

DEADLINE_SECONDS: Final = 60.0
"""The longest time that one call may take, with all requests and pauses in it."""
RETRY_SECONDS: Final = 60.0
"""When to publish again after a surprise."""

_INTERNAL_ERROR: Final = 500

Result = TypeVar("Result")


class GuardedForge:
    """A forge that never raises what its contract does not allow, and never takes longer than the deadline."""

    def __init__(self, inner: Forge, *, who: str, log: Logger) -> None:
        """Wrap an open forge.

        Raises:
            InfrastructureFault: it cannot even say its host and capabilities.
        """
        self._inner = inner
        self._who = who
        self._log = log
        with Translating(who, log):
            self._host = str(inner.host)
            self._capabilities = frozenset(inner.capabilities)

    @property
    def host(self) -> str:
        """The forge's host."""
        return self._host

    @property
    def capabilities(self) -> frozenset[ForgeCapability]:
        """What it can do."""
        return self._capabilities

    def receive(self, request: WebhookRequest) -> Received | Refused:
        """Check a request; a surprise refuses it, and the forge will send it again."""
        try:
            with Translating(self._who, self._log):
                return self._inner.receive(request)
        except EkaciError:
            return Refused(_INTERNAL_ERROR, "the delivery could not be checked")

    def parse(self, received: Received) -> ForgeEvent | Ignored:
        """Understand a delivery.

        Raises:
            InfrastructureFault: the plugin failed; the delivery stays and can be handled again.
        """
        with Translating(self._who, self._log):
            return self._inner.parse(received)

    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        """Whether it is configured for this; not where it fails to say."""
        try:
            with Translating(self._who, self._log):
                return bool(self._inner.serves(repository, branch))
        except EkaciError:
            return False

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Ask for a pull request."""
        return await self._asked(lambda: self._inner.pull_request(repository, number))

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Ask for all that are open."""
        return await self._asked(lambda: self._inner.open_pull_requests(repository))

    async def repositories(self) -> Sequence[RepositoryId]:
        """Ask which repositories it has been given."""
        return await self._asked(self._inner.repositories)

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Ask what a person may do."""
        return await self._asked(lambda: self._inner.permission(repository, person))

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Ask who has a login now."""
        return await self._asked(lambda: self._inner.person(repository, login))

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        """Read a file at a commit."""
        return await self._asked(lambda: self._inner.read_file(repository, path, sha))

    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        """Say how to fetch."""
        return await self._asked(lambda: self._inner.clone_access(repository))

    def pull_request_ref(self, number: int) -> str:
        """Name the ref of a pull request's head."""
        with Translating(self._who, self._log):
            return str(self._inner.pull_request_ref(number))

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        """Say how much may be written."""
        with Translating(self._who, self._log):
            return self._inner.write_budget(repository)

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Show a check. Raises nothing but cancellation."""
        return await self._published(lambda: self._inner.publish(check, remote))

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Write or change a comment. Raises nothing but cancellation."""
        return await self._published(lambda: self._inner.comment(repository, number, body, remote))

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Name a comment of ours."""
        return await self._asked(lambda: self._inner.find_comment(repository, number, mark))

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Answer a comment by a sign."""
        await self._asked(lambda: self._inner.react(repository, comment, accepted=accepted))

    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:
        """Ask for deliveries that failed."""
        return await self._asked(lambda: self._inner.missed_deliveries(since=since, known=known))

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        """Ask what happened in a repository."""
        return await self._asked(lambda: self._inner.news(repository, since=since))

    async def install_webhook(self, repository: RepositoryId, url: str) -> Finding:
        """Have the events of a repository sent here."""
        return await self._asked(lambda: self._inner.install_webhook(repository, url))

    async def examine(self) -> Sequence[Finding]:
        """Compare what was granted with what is needed."""
        return await self._asked(self._inner.examine)

    async def _asked(self, call: Callable[[], Awaitable[Result]]) -> Result:
        return await guarded(
            call,
            self._unexpected,
            who=self._who,
            log=self._log,
            deadline_seconds=DEADLINE_SECONDS,
            left_behind_after_seconds=LEFT_BEHIND_AFTER_SECONDS,
        )

    async def _published(self, call: Callable[[], Awaitable[Published | PublishFailed]]) -> Published | PublishFailed:
        try:
            return await guarded(
                call,
                lambda surprise: PublishFailed(surprise.message, RETRY_SECONDS),
                who=self._who,
                log=self._log,
                deadline_seconds=DEADLINE_SECONDS,
                left_behind_after_seconds=LEFT_BEHIND_AFTER_SECONDS,
            )
        except EkaciError as fault:
            return PublishFailed(str(fault), RETRY_SECONDS)

    def _unexpected(self, surprise: Surprise) -> NoReturn:
        raise InfrastructureFault(
            f"the forge did not answer as it should: {surprise.message}",
            where=self._who,
            do="look at the forge's status; it is tried again",
        )
