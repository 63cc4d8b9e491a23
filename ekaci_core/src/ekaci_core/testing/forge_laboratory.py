"""What the conformance of forges stands on: a forge with known contents, a look at it, and trouble on demand."""

from __future__ import annotations

import abc
import enum
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import attrs

from ekaci_core.api import (
    CheckStatus,
    CommitSha,
    Forge,
    ForgeEvent,
    Permission,
    Person,
    PullRequest,
    RepositoryId,
    WebhookRequest,
)

RETRY_AFTER_SECONDS: Final = 37
"""What `ForgeTrouble.TOO_MANY` says in ``Retry-After``."""


class ForgeTrouble(enum.Enum):
    """What the server behind the forge can be asked to do wrong. The value is the status of HTTP, where it is one."""

    UNAUTHORISED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    CONFLICT = 409
    UNPROCESSABLE = 422
    TOO_MANY = 429
    SERVER_ERROR = 500
    BAD_GATEWAY = 502
    GARBAGE = "an answer with status 200 that is no document"
    CUT = "an answer that ends in the middle, after everything was done"
    RESET = "the connection ends before anything is done"
    LOST = "everything is done, and the connection ends before the answer"
    SILENCE = "no answer, for ever"


@attrs.frozen
class ForgeDelivery:
    """A webhook as the forge sends it, and what it means."""

    request: WebhookRequest
    event: ForgeEvent


@attrs.frozen
class ShownCheck:
    """A check as a person sees it. What the forge cannot show is empty.

    ``passes`` is whether a branch that requires the check could be merged.
    """

    context: str
    status: CheckStatus
    passes: bool
    title: str = ""
    summary: str = ""
    text: str = ""
    annotations: int = 0
    buttons: tuple[str, ...] = ()


class RecordingLogger:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, event: str, /, **fields: object) -> None:
        """Keep it."""
        self._keep(event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Keep it."""
        self._keep(event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Keep it."""
        self._keep(event, fields)

    def _keep(self, event: str, fields: Mapping[str, object]) -> None:
        self.lines.append(f"{event} " + " ".join(f"{name}={value!s} {value!r}" for name, value in fields.items()))


class ForgeLaboratory(abc.ABC):
    """One open forge and the server behind it. A plugin's tests inherit it; set the attributes before it is used.

    Attributes:
        forge: the open forge under test. It knows the webhook's secret.
        repository: a private repository that it serves, with all that follows.
        twin: another that it serves, which has the commit ``sha`` too.
        unserved: one at the same forge that its configuration excludes.
        repositories: all that it has been given.
        pull_requests: all that are open in ``repository``, as they are: more than the forge lists on one page.
        sha: a commit of ``repository`` that has no checks.
        files: what stands in ``sha``, by path: None for what is not there, directories and symbolic links; one name
            with characters that mean something in addresses.
        large_file: a path of ``sha`` with more than 1 MiB.
        people: an account for each permission in ``repository``, and `NONE` for a stranger.
        comment: a person's comment on the first of ``pull_requests``.
        deliveries: a webhook of each kind that the forge understands.
    """

    forge: Forge
    repository: RepositoryId
    twin: RepositoryId
    unserved: RepositoryId
    repositories: Collection[RepositoryId]
    pull_requests: Sequence[PullRequest]
    sha: CommitSha
    files: Mapping[str, bytes | None]
    large_file: str
    people: Mapping[Permission, Person]
    comment: int
    deliveries: Sequence[ForgeDelivery]

    @abc.abstractmethod
    def another(self) -> AbstractAsyncContextManager[Forge]:
        """Open the same configuration once more, as after a restart."""

    # --- webhooks

    @abc.abstractmethod
    def sign(self, kind: str, body: bytes, *, delivery: str = "7", secret: str | None = None) -> WebhookRequest:
        """Make a webhook with any body, rightly signed, or with another secret.

        Args:
            kind: the type of event in the forge's words, or any other.
            body: what it carries.
            delivery: the forge's name of it.
            secret: what it is signed with; the right one where it is None.
        """

    @abc.abstractmethod
    def with_signature(self, request: WebhookRequest, signature: str | None) -> WebhookRequest:
        """Put another text where the signature (or the secret) stands, or take it away."""

    # --- what the forge shows

    @abc.abstractmethod
    async def shown(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ShownCheck]:
        """Return every check that stands at a commit, however often."""

    @abc.abstractmethod
    async def shown_comments(self, number: int) -> Sequence[str]:
        """Return the comments on a pull request of ``repository``, also those of people."""

    @abc.abstractmethod
    async def say(self, number: int, body: str) -> None:
        """Let a person comment on a pull request of ``repository``."""

    @abc.abstractmethod
    async def shown_reactions(self, comment: int) -> Sequence[str]:
        """Return the signs at a comment in the forge's words."""

    @abc.abstractmethod
    def requests(self) -> int:
        """Count the requests that came so far."""

    # --- what goes wrong

    @abc.abstractmethod
    def fail(self, trouble: ForgeTrouble, *, times: int | None = None, only_writes: bool = False) -> None:
        """Let requests go wrong from now on, so many of them, or all where ``times`` is None.

        ``only_writes`` spares requests that change nothing, and those that sign in.
        """

    @abc.abstractmethod
    def recover(self) -> None:
        """Let nothing go wrong any more."""

    @abc.abstractmethod
    async def sign_out(self) -> None:
        """Let the sign-in of the forge be over: a token that expired, or that somebody revoked."""

    @abc.abstractmethod
    async def lose_check(self, remote: str) -> None:
        """Remove a check at the server, by the name that publishing returned."""

    @abc.abstractmethod
    async def lose_comment(self, remote: str) -> None:
        """Remove a comment at the server."""

    @abc.abstractmethod
    async def withdraw(self) -> None:
        """Take a permission away that the forge needs to show checks."""

    @abc.abstractmethod
    def secrets(self) -> Collection[str]:
        """Return every secret text that the forge was given or got by itself so far; none may be seen anywhere."""

    # --- webhooks that we make; only for those with `ForgeCapability.WEBHOOK_SETUP`

    async def webhooks(self) -> Sequence[str]:
        """Return where the events of ``repository`` are sent, once for each webhook that is there and active."""
        raise NotImplementedError

    # --- the log of deliveries; only for those with `ForgeCapability.DELIVERY_LOG`

    async def miss_delivery(self) -> str:
        """Let a delivery fail, and return its name."""
        raise NotImplementedError

    async def sent_again(self) -> Collection[str]:
        """Return the names of deliveries that the forge was asked to send again."""
        raise NotImplementedError
