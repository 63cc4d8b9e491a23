"""A forge that keeps the contract, in memory; `wrong_forges` breaks one promise each."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeVar

from tests.contract.forges.memory_server import ANNOTATIONS, LONGEST_BYTES, MemoryServer, Refusal

from ekaci_core.api import (
    BadName,
    Branch,
    Check,
    CheckStatus,
    CloneAccess,
    CommitSha,
    Conclusion,
    Finding,
    ForgeCapability,
    ForgeEvent,
    Ignored,
    InfrastructureFault,
    Permission,
    Person,
    Ping,
    Published,
    PublishFailed,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
    Received,
    Refused,
    RepositoryId,
    Secret,
    WebhookRequest,
    WriteBudget,
)
from ekaci_core.testing.forge_laboratory import RecordingLogger

HOST: Final = "memory.example.org"
_LARGE: Final = 1024 * 1024
_MOST: Final = 2**63
_SOON: Final = 30.0
_PASSING: Final = (Conclusion.SUCCESS, Conclusion.NEUTRAL)

Result = TypeVar("Result")


def shortened(text: str, longest: int = LONGEST_BYTES) -> str:
    """Cut a text at a number of bytes, between two characters."""
    return text.encode(errors="replace")[:longest].decode(errors="ignore")


class MemoryForge:
    """Keeps all promises."""

    capabilities = frozenset(ForgeCapability)
    host = HOST

    def __init__(self, server: MemoryServer, secret: Secret, log: RecordingLogger, served: frozenset[str]) -> None:
        self.server = server
        self.secret = secret
        self.log = log
        self.served = served
        self.token: Secret | None = None

    # --- webhooks

    def receive(self, request: WebhookRequest) -> Received | Refused:
        kind, delivery = request.headers.get("x-event"), request.headers.get("x-delivery")
        if not kind or not delivery:
            return Refused(400, "no event")
        if not self.is_signed(request):
            return Refused(401, "wrong signature")
        return self.read_body(kind, delivery, request.body)

    def is_signed(self, request: WebhookRequest) -> bool:
        expected = hmac.new(self.secret.reveal().encode(), request.body, hashlib.sha256).hexdigest()
        given = request.headers.get("x-signature", "").encode(errors="replace")
        return hmac.compare_digest(f"sha256={expected}".encode(), given)

    def read_body(self, kind: str, delivery: str, body: bytes) -> Received | Refused:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return Refused(400, "no JSON")
        if not isinstance(document, dict):
            return Refused(400, "no object")
        return Received(delivery, kind, body)

    def parse(self, received: Received) -> ForgeEvent | Ignored:
        try:
            return self.understood(received.kind, json.loads(received.payload))
        except (KeyError, TypeError, ValueError, BadName, RecursionError):
            return Ignored("not understood")

    def understood(self, kind: str, document: Any) -> ForgeEvent | Ignored:
        if kind == "ping":
            return Ping()
        if kind != "pull_request":
            return Ignored("another kind of event")
        action = PullRequestAction(document["action"])
        return PullRequestChanged(action, self.pull(document["pull"]), self.who(document["actor"]))

    def who(self, value: Any) -> Person:
        login, number = value["login"], value["id"]
        if not isinstance(login, str) or type(number) is not int or not 0 <= number < _MOST:
            raise TypeError("no person")
        login.encode()
        return Person(login, number)

    def pull(self, value: Any) -> PullRequest:
        title, number, moment = value["title"], value["number"], value["updated_at"]
        if (type(title), type(number), type(moment), type(value["draft"])) != (str, int, int, bool):
            raise TypeError("no pull request")
        title.encode()
        if not 0 < number < _MOST or not 0 <= moment < _MOST:
            raise ValueError("out of range")
        repository = RepositoryId.parse(HOST, value["repository"])
        return PullRequest(
            repository=repository, number=number, title=title, author=self.who(value["author"]),
            state=PullRequestState(value["state"]), draft=value["draft"], base=self.branch(value["base"]),
            base_sha=CommitSha.parse(value["base_sha"]), head=self.branch(value["head"]),
            head_sha=CommitSha.parse(value["head_sha"]), head_repository=repository, updated_at=float(moment),
        )  # fmt: skip

    def branch(self, text: str) -> Branch:
        if type(text) is not str:
            raise TypeError("no branch")
        return Branch.parse(text)

    # --- questions

    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        del branch
        return repository.forge == HOST and repository.path.lower() in self.served

    async def asked(self, action: Callable[[], Result], *, writes: bool = False) -> Result:
        """Ask the server, with a token that is good."""
        for _ in range(2):
            token = self.token or Secret(await self.server.sign_in())
            self.token = token
            try:
                return await self.server.request(token.reveal(), action, writes=writes)
            except Refusal as refusal:
                if refusal.status != 401:
                    raise
                self.token = None
        raise Refusal(401)

    async def told(self, action: Callable[[], Result]) -> Result:
        """Ask the server; what goes wrong is a fault."""
        try:
            return await self.asked(action)
        except (Refusal, OSError, ValueError) as error:
            self.log.warning("memory_failed", error=str(error))
            raise self.fault(error) from error

    def fault(self, error: Exception) -> InfrastructureFault:
        return InfrastructureFault(f"the forge does not answer: {error}", where=HOST, do="wait")

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        del repository
        found = await self.told(lambda: self.server.pulls.get(number))
        return self.pull(found) if found else None

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        del repository
        found: list[PullRequest] = []
        for page in range(100):
            some = await self.told(lambda page=page: self.server.page_of_pulls(page))  # type: ignore[misc]
            found += map(self.pull, some)
            if not some:
                break
        return found

    async def repositories(self) -> Sequence[RepositoryId]:
        return await self.told(lambda: [RepositoryId.parse(HOST, each) for each in sorted(self.served)])

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        del repository
        number, role = await self.told(lambda: self.server.roles.get(person.login, (person.id, "none")))
        return Permission[role.upper()] if number == person.id else Permission.NONE

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        del repository
        found = await self.told(lambda: self.server.roles.get(login))
        return Person(login, found[0]) if found else None

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        del repository
        if sha != "1" * 40:
            await self.told(lambda: None)
            return None
        kind, content = await self.told(lambda: self.server.files.get(path, ("none", b"")))
        return content if kind == "file" and len(content) <= _LARGE else None

    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        await self.told(lambda: None)
        assert self.token is not None
        return CloneAccess(f"https://{HOST}/{repository.path}.git", {"Authorization": self.token})

    def pull_request_ref(self, number: int) -> str:
        return f"refs/pull/{number}/head"

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        del repository
        return WriteBudget("memory", 70.0, 450.0)

    # --- what is shown

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        return await self.shown(lambda: self.put_check(check, remote))

    async def shown(self, put: Callable[[], Any]) -> Published | PublishFailed:
        """Change something; what goes wrong is an outcome."""
        try:
            return Published(str(await put()))
        except Refusal as refusal:
            return self.refused(refusal)
        except (OSError, ValueError) as error:
            return PublishFailed(str(error), _SOON)

    def refused(self, refusal: Refusal) -> PublishFailed:
        final = refusal.status in (404, 422)
        wait = None if final else max(_SOON, refusal.wait or 0.0)
        return PublishFailed(str(refusal), wait, forget=refusal.status == 404)

    async def put_check(self, check: Check, remote: str | None) -> int:
        place, facts = check.repository.path, self.facts(check)
        found = self.number(remote) if remote is not None else await self.made_before(check)
        rest = facts["annotations"]
        while True:
            facts["annotations"], rest = rest[:ANNOTATIONS], rest[ANNOTATIONS:]
            found = await self.asked(self.put_action(found, place, check.sha, dict(facts)), writes=True)
            if not rest:
                return found

    def put_action(self, found: int | None, place: str, sha: str, facts: dict[str, Any]) -> Callable[[], int]:
        if found is None:
            return lambda: self.server.make_check(place, sha, facts)
        return lambda: self.server.change_check(found, facts)

    async def made_before(self, check: Check) -> int | None:
        return await self.asked(lambda: self.server.find_check(check.repository.path, check.sha, check.external_id))

    def number(self, remote: str) -> int:
        if not remote.isascii() or not remote.isdecimal():
            raise Refusal(404)
        return int(remote)

    def facts(self, check: Check) -> dict[str, Any]:
        return {
            "context": check.context,
            "external_id": check.external_id,
            "status": check.status,
            "passes": self.passes(check),
            "title": self.short(check.title),
            "summary": self.short(check.summary),
            "text": self.short(check.text),
            "annotations": list(check.annotations),
            "buttons": [each.label[:20] for each in check.buttons],
        }

    def short(self, text: str) -> str:
        return shortened(text)

    def passes(self, check: Check) -> bool:
        return check.status is CheckStatus.COMPLETED and check.conclusion in _PASSING

    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        del repository
        text = self.short(body)

        async def put() -> int:
            if remote is None:
                return await self.asked(lambda: self.server.write_comment(number, text), writes=True)
            return await self.asked(lambda: self.server.change_comment(self.number(remote), text), writes=True)

        return await self.shown(put)

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        del repository
        for page in range(100):
            some = await self.told(lambda page=page: self.server.page_of_comments(number, page))  # type: ignore[misc]
            for name, body, by_a_person in some:
                if mark in body and self.is_ours(by_a_person=by_a_person):
                    return str(name)
            if not some:
                break
        return None

    def is_ours(self, *, by_a_person: bool) -> bool:
        return not by_a_person

    async def react(self, repository: RepositoryId, comment: int, *, accepted: bool) -> None:
        del repository
        await self.told(lambda: self.server.reactions.setdefault(comment, set()).add("+1" if accepted else "-1"))

    # --- the log of deliveries, and what was granted

    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:
        def ask_again() -> list[str]:
            wanted = [] if since > 2e9 else [each for each in self.server.failed if each not in known]
            self.server.again += wanted
            return wanted

        return await self.told(ask_again)

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        pulls = [each for each in await self.open_pull_requests(repository) if each.repository == repository]
        del since
        return [PullRequestChanged(PullRequestAction.SYNCHRONIZED, each, each.author) for each in pulls]

    async def install_webhook(self, repository: RepositoryId, url: str) -> Finding:
        def install() -> None:
            if self.makes_another(url):
                self.server.webhooks.append(url)

        await self.told(install)
        return Finding(str(repository), well=True, text="its events come here")

    def makes_another(self, url: str) -> bool:
        return url not in self.server.webhooks

    async def examine(self) -> Sequence[Finding]:
        well = await self.told(lambda: self.server.may_write_checks)
        return [Finding("checks", well, "granted" if well else "missing", "" if well else "showing checks")]
