"""Contract of a forge: a place where repositories and pull requests live, and where results are shown."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import attrs

from ekaci_core.api.context import PluginContext
from ekaci_core.api.credentials import CredentialUse
from ekaci_core.model.check import Check
from ekaci_core.model.forge import Branch, Permission, Person, PullRequest, RepositoryId
from ekaci_core.model.forge_event import ForgeEvent, Ignored
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.policy import Permissions
from ekaci_core.model.secret import Secret


class ForgeCapability(enum.Enum):
    """What not every forge can do; what one lacks is done in the nearest way."""

    CHECK_RUNS = "check runs"
    """Checks with text; elsewhere a commit status and one comment."""
    ANNOTATIONS = "annotations"
    CHECK_BUTTONS = "buttons at checks"
    RERUN = "re-run of checks"
    MERGE_GROUPS = "merge queue"
    DELIVERY_LOG = "log of deliveries"
    """Deliveries that failed can be asked for again."""
    REACTIONS = "reactions to comments"
    NEWS = "news without webhooks"
    """It can be polled: it is asked for what happened, where no webhook reaches the server."""
    WEBHOOK_SETUP = "webhooks made by us"
    """`Forge.install_webhook` makes the webhook of a repository."""


class ForgeMode(enum.Enum):
    """How news of a forge arrives."""

    WEBHOOK = "webhook"
    POLL = "poll"


@attrs.frozen(kw_only=True)
class ForgeConfig:
    """What the table of every forge has; a type's own class inherits it.

    Attributes:
        id: the operator's name of this instance.
        credentials: where its token or key comes from.
        permissions: the repositories, and the branches that changes go into, that it serves.
        webhook_secret: signs deliveries; the server's own where the table has none.
        mode: whether the forge tells us, or is asked.
        poll_seconds: how often it is asked.
        insecure_webhooks: whether deliveries are believed without a secret; the server sets it, no table does.
    """

    id: str = ""
    credentials: CredentialUse | None = None
    permissions: Permissions = Permissions()
    webhook_secret: Secret | None = None
    mode: ForgeMode = ForgeMode.WEBHOOK
    poll_seconds: int = 60
    insecure_webhooks: bool = False


@attrs.frozen
class WebhookRequest:
    """A request to the forge's webhook, before anything is believed. Names of headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes


@attrs.frozen
class Received:
    """A delivery that really comes from the forge.

    ``delivery`` is the forge's own name of it, the same when it is sent again. ``kind`` is the type of event in the
    forge's words. ``payload`` is the JSON document, without the form around it.
    """

    delivery: str
    kind: str
    payload: bytes


@attrs.frozen
class Refused:
    """A request that is not stored. ``status`` is the HTTP answer, ``reason`` a line for the log and the sender."""

    status: int
    reason: str


@attrs.frozen
class CloneAccess:
    """How git reaches a repository: ``headers`` go with each request, and stand in no argument and no file."""

    url: str
    headers: Mapping[str, Secret] = attrs.field(factory=dict)


@attrs.frozen
class Published:
    """The forge shows it; ``remote`` names the check there, for the next change."""

    remote: str


@attrs.frozen
class PublishFailed:
    """The forge does not show it.

    ``retry_after_seconds`` is how long the forge asks to be left alone, or None where trying again cannot help.
    ``limited`` says that it wants no writes at all for that long. ``forget`` says that the check named before is gone.
    """

    reason: str
    retry_after_seconds: float | None = None
    limited: bool = False
    forget: bool = False


@attrs.frozen
class Finding:
    """What `Forge.examine` saw. ``feature`` is what does not work without it, empty where all is well."""

    subject: str
    well: bool
    text: str
    feature: str = ""


@attrs.frozen
class WriteBudget:
    """How many writes the forge bears, by whom it counts them: ``key`` names the account, installation or token."""

    key: str
    per_minute: float
    per_hour: float


class Forge(Protocol):
    """One configured place at one forge.

    Asynchronous methods raise `InfrastructureFault` where the forge cannot be reached or refuses what was configured;
    a caller tries again later. They are cancelled at a deadline.
    """

    @property
    def host(self) -> str:
        """The forge's host, as in `RepositoryId.forge`."""
        ...

    @property
    def capabilities(self) -> frozenset[ForgeCapability]:
        """What it can do."""
        ...

    def receive(self, request: WebhookRequest) -> Received | Refused:
        """Check signature and form of a request. Synchronous and pure: it reads nothing but its argument."""
        ...

    def parse(self, received: Received) -> ForgeEvent | Ignored:
        """Understand a delivery. Synchronous and pure; called again when a delivery is handled again."""
        ...

    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        """Whether this instance is configured for a repository, and for changes to a branch of it."""
        ...

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Ask for a pull request as it is now, None where there is none."""
        ...

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Ask for all that are open."""
        ...

    async def repositories(self) -> Sequence[RepositoryId]:
        """Ask which repositories this instance has been given."""
        ...

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Ask what a person may do; a person who is not known there may do nothing."""
        ...

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Ask who has a login now, by way of a repository that this instance has been given; None where nobody has."""
        ...

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        """Read a file of at most 1 MiB at a commit, None where there is none; symbolic links are not followed."""
        ...

    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        """Say how to fetch from a repository, with a fresh token where one is needed."""
        ...

    def pull_request_ref(self, number: int) -> str:
        """Name the ref of the target repository at which a pull request's head can be fetched."""
        ...

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        """Say how much may be written about a repository."""
        ...

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Show a check, by changing the one named ``remote`` or by making it.

        Making is idempotent: where the answer to an earlier attempt was lost, the check with the same ``external_id``
        is found and changed.
        """
        ...

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Write a comment on a pull request, or change the one named ``remote``."""
        ...

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Name the oldest comment of our own account on a pull request that has ``mark`` in it, None without one.

        Never one of somebody else, whatever it quotes: it would be overwritten.
        """
        ...

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Answer a comment by a sign, where the forge has such; else do nothing."""
        ...

    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:
        """Ask for deliveries after a time (seconds since the epoch) that failed or are not ``known``, to be sent again.

        Returns the names of those that the forge will send again. Empty where the forge keeps no log.
        """
        ...

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        """Ask what happened in a repository, as its webhooks would have told it: only with the capability `NEWS`.

        Every pull request that is open, as `PullRequestAction.SYNCHRONIZED` (or ``DRAFTED``), those that were closed,
        and comments, each after a time (seconds since the epoch), and where the default branch is. The same news is
        equal each time: what was told before is dropped by whoever asks.
        """
        ...

    async def install_webhook(self, repository: RepositoryId, url: str) -> Finding:
        """Have the events of a repository sent to ``url``, and say what became of it, for ``ekaci forge setup``.

        There is one afterwards, however often this is asked: one that is there already is corrected, its secret too.
        Forges without `WEBHOOK_SETUP` say where it is done by hand. The subject of the finding is the repository, or
        something larger where it was done for more at once.
        """
        ...

    async def examine(self) -> Sequence[Finding]:
        """Compare what was granted with what is needed, for ``ekaci forge check``."""
        ...


class ForgeType(Protocol):
    """Makes forges."""

    @property
    def name(self) -> str:
        """What operators call it: ``github``."""
        ...

    @property
    def table(self) -> str:
        """The array of tables of the server's configuration with one instance each: ``github_apps``."""
        ...

    @property
    def webhook_path(self) -> str | None:
        """Where its webhooks arrive, ``/github/webhook``; None where it sends none."""
        ...

    @property
    def config(self) -> type[ForgeConfig]:
        """An attrs class, parsed strictly; its fields are the keys of a table."""
        ...

    def open(self, config: Any, context: PluginContext) -> AbstractAsyncContextManager[Forge]:
        """Open an instance."""
        ...
