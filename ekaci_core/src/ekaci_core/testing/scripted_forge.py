"""A forge that does what a test says, with a signature and a wire format of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from cattrs import Converter, ForbiddenExtraKeysError
from cattrs.strategies import configure_tagged_union

from ekaci_core.api import (
    Branch,
    Check,
    CloneAccess,
    CommitSha,
    EkaciError,
    Finding,
    ForgeCapability,
    ForgeEvent,
    Ignored,
    Permission,
    Permissions,
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

HOST: Final = "forge.example"
_BAD_REQUEST: Final = 400
_UNAUTHORISED: Final = 401
_UNAVAILABLE: Final = 503


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=False)
    converter.register_structure_hook(CommitSha, lambda text, _: CommitSha.parse(text))
    converter.register_structure_hook(Branch, lambda text, _: Branch.parse(text))
    converter.register_structure_hook(RepositoryId, lambda text, _: RepositoryId.parse(HOST, text))
    converter.register_unstructure_hook(RepositoryId, lambda repository: repository.path)
    configure_tagged_union(ForgeEvent, converter)
    return converter


_CONVERTER: Final = _converter()
_NOT_UNDERSTOOD: Final = (
    ArithmeticError,
    AttributeError,
    EkaciError,
    ForbiddenExtraKeysError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def payload_of(event: ForgeEvent) -> bytes:
    """Write an event as this forge sends it."""
    return json.dumps(_CONVERTER.unstructure(event, ForgeEvent)).encode()


def delivery_headers(name: str, body: bytes, secret: str, kind: str = "event") -> dict[str, str]:
    """Return the headers of a delivery."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-forge-event": kind, "x-forge-delivery": name, "x-forge-signature": signature}


class ScriptedForge:
    """Answers from its attributes, which a test sets and reads.

    Attributes:
        permissions: what people may do, by login.
        persons: their numbers, by login.
        pull_requests: by number.
        given: the repositories that it has been given.
        happened: what it tells when it is polled.
        missed: names of deliveries that it will send again when asked.
        reactions: comments that were answered, and whether they were accepted.
        files: contents by commit and path.
        clone_url: where git finds every repository; None for an address where nothing is.
        published: checks in the order in which they were written.
        comments: texts of our comments by their names, the newest version of each.
        comment_writes: names of comments in the order in which they were written.
        webhooks: where the events of repositories are sent.
        asked: names of the methods that were called.
        faults: raised by the next requests, one each.
    """

    def __init__(
        self,
        secret: str | None = "secret",  # noqa: S107 - it protects nothing
        serving: Permissions | None = None,
        capabilities: Collection[ForgeCapability] = (),
    ) -> None:
        self._secret = secret
        self._serving = serving or Permissions()
        self._capabilities = frozenset(capabilities)
        self.permissions: dict[str, Permission] = {}
        self.persons: dict[str, int] = {}
        self.pull_requests: dict[int, PullRequest] = {}
        self.given: list[RepositoryId] = []
        self.happened: list[ForgeEvent] = []
        self.missed: list[str] = []
        self.reactions: list[tuple[int, bool]] = []
        self.files: dict[tuple[CommitSha, str], bytes] = {}
        self.clone_url: str | None = None
        self.published: list[Check] = []
        self.comments: dict[str, str] = {}
        self.comment_writes: list[str] = []
        self.webhooks: dict[RepositoryId, str] = {}
        self.asked: list[str] = []
        self.faults: list[EkaciError | Exception] = []

    @property
    def host(self) -> str:
        """Return the host of all its repositories."""
        return HOST

    @property
    def capabilities(self) -> frozenset[ForgeCapability]:
        """Return what the test says."""
        return self._capabilities

    def receive(self, request: WebhookRequest) -> Received | Refused:
        """Check the signature, then the form."""
        if self._secret is None:
            return Refused(_UNAVAILABLE, "no secret is configured")
        expected = hmac.new(self._secret.encode(), request.body, hashlib.sha256).hexdigest()
        given = request.headers.get("x-forge-signature", "")
        if not hmac.compare_digest(expected.encode(), given.encode()):
            return Refused(_UNAUTHORISED, "the signature is missing or wrong")
        name, kind = request.headers.get("x-forge-delivery", ""), request.headers.get("x-forge-event", "")
        if not name or not kind:
            return Refused(_BAD_REQUEST, "x-forge-delivery or x-forge-event is missing")
        if not isinstance(_document(request.body), dict):
            return Refused(_BAD_REQUEST, "the body is not a JSON object")
        return Received(name, kind, request.body)

    def parse(self, received: Received) -> ForgeEvent | Ignored:
        """Read what `payload_of` wrote; a kind ``broken`` shows a plugin with a defect."""
        if received.kind == "broken":
            raise ZeroDivisionError(received.delivery)
        try:
            event: ForgeEvent = _CONVERTER.structure(_document(received.payload), ForgeEvent)  # type: ignore[arg-type]
        except _NOT_UNDERSTOOD as error:
            return Ignored(f"not understood: {type(error).__name__}")
        return event

    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        """Say what the test's permissions say."""
        if branch is None:
            return self._serving.allows_repository(repository.path)
        return self._serving.allows(repository.path, branch)

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Return what the test set."""
        del repository
        self._request("pull_request")
        return self.pull_requests.get(number)

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Return what the test set."""
        self._request("open_pull_requests")
        return [each for each in self.pull_requests.values() if each.repository == repository]

    async def repositories(self) -> Sequence[RepositoryId]:
        """Return what the test set."""
        self._request("repositories")
        return self.given

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Return what the test set."""
        del repository
        self._request("permission")
        return self.permissions.get(person.login, Permission.READ)

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Return what the test set."""
        del repository
        self._request("person")
        return Person(login, self.persons[login]) if login in self.persons else None

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        """Return what the test set."""
        del repository
        self._request("read_file")
        return self.files.get((sha, path))

    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        """Return what the test set."""
        self._request("clone_access")
        return CloneAccess(self.clone_url or f"https://{HOST}/{repository.path}.git")

    def pull_request_ref(self, number: int) -> str:
        """Name it as GitHub does."""
        return f"refs/pull/{number}/head"

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        """Allow much."""
        return WriteBudget(repository.owner, 1000, 10_000)

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        """Note it in `published`."""
        self._request("publish")
        self.published.append(check)
        return Published(remote or f"{check.sha}/{check.context}")

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        """Note it in `comments`."""
        del repository
        self._request("comment")
        name = remote or f"{number}/{len(self.comments) + 1}"
        self.comments[name] = body
        self.comment_writes.append(name)
        return Published(name)

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Look into `comments`."""
        del repository
        self._request("find_comment")
        names = (name for name, body in self.comments.items() if name.startswith(f"{number}/") and mark in body)
        return next(names, None)

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        """Note it in `reactions`."""
        del repository
        self._request("react")
        self.reactions.append((comment, accepted))

    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:
        """Return those of `missed` that are not known."""
        del since
        self._request("missed_deliveries")
        return [name for name in self.missed if name not in known]

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        """Tell what a test has put there."""
        del since
        self._request("news")
        return [event for event in self.happened if _place(event) == repository]

    async def install_webhook(self, repository: RepositoryId, url: str) -> Finding:
        """Note it in `webhooks`."""
        self._request("install_webhook")
        there = self.webhooks.get(repository) == url
        self.webhooks[repository] = url
        return Finding(str(repository), well=True, text="the webhook is there" if there else "the webhook was made")

    async def examine(self) -> Sequence[Finding]:
        """Find nothing."""
        self._request("examine")
        return ()

    def _request(self, name: str) -> None:
        self.asked.append(name)
        if self.faults:
            raise self.faults.pop(0)


def _document(body: bytes) -> Mapping[str, Any] | list[Any] | None:
    try:
        document: Mapping[str, Any] | list[Any] | None = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def _place(event: ForgeEvent) -> RepositoryId | None:
    place: RepositoryId | None = getattr(getattr(event, "pull_request", event), "repository", None)
    return place
