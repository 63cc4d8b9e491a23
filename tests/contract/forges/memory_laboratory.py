"""The laboratory of forges in memory."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
from tests.contract.forges.memory_forge import HOST, MemoryForge
from tests.contract.forges.memory_server import MemoryServer

from ekaci_core.api import (
    CommitSha,
    Permission,
    Person,
    Ping,
    PullRequestAction,
    PullRequestChanged,
    RepositoryId,
    Secret,
    WebhookRequest,
)
from ekaci_core.testing.forge_laboratory import (
    ForgeDelivery,
    ForgeLaboratory,
    ForgeTrouble,
    RecordingLogger,
    ShownCheck,
)

_SECRET: Final = "memory-webhook-secret"  # noqa: S105 - nobody's
_ADA: Final = {"login": "ada", "id": 5}
_SERVED: Final = frozenset({"octo/place", "octo/twin"})


class MemoryLaboratory(ForgeLaboratory):
    """A forge of some class with a server in memory."""

    def __init__(self, kind: type[MemoryForge], log: RecordingLogger) -> None:
        self._kind, self._log = kind, log
        self._server = MemoryServer()
        self.forge: MemoryForge = self._open()
        self.repository, self.twin = RepositoryId(HOST, "octo/place"), RepositoryId(HOST, "octo/twin")
        self.unserved = RepositoryId(HOST, "octo/unserved")
        self.repositories = [self.repository, self.twin]
        self.sha = CommitSha("1" * 40)
        self.comment = 900
        for number in range(1, 6):
            self._server.pulls[number] = {
                "repository": "octo/place", "number": number, "title": f"Change {number}", "author": _ADA,
                "state": "open", "draft": False, "base": "main", "base_sha": "2" * 40, "head": f"topic-{number}",
                "head_sha": f"{number + 2}" * 40, "updated_at": 1_700_000_000,
            }  # fmt: skip
        self.pull_requests = [MemoryForge.pull(self.forge, each) for each in self._server.pulls.values()]
        roles = ((Permission.NONE, 6), (Permission.READ, 7), (Permission.WRITE, 8), (Permission.ADMIN, 9))
        self.people = {each: Person(f"has-{each.name.lower()}", number) for each, number in roles}
        self._server.roles = {each.login: (each.id, role.name.lower()) for role, each in self.people.items()}
        kinds = {"a.nix": ("file", b"{ }"), "d/a ?#%.nix": ("file", b"\xff\0"), "d": ("directory", b"")}
        links = {"link": ("symlink", b"{ }"), "out": ("symlink", b"root:x:0:0")}
        self._server.files = {**kinds, **links, "large": ("file", b"x" * 2**21)}
        self.large_file = "large"
        self.files = {"a.nix": b"{ }", "d/a ?#%.nix": b"\xff\0", "d": None, "link": None, "out": None, "none": None}
        document = {"action": "opened", "pull": self._server.pulls[1], "actor": _ADA}
        opened = PullRequestChanged(PullRequestAction.OPENED, self.pull_requests[0], Person("ada", 5))
        self.deliveries = [
            ForgeDelivery(self.sign("pull_request", json.dumps(document).encode()), opened),
            ForgeDelivery(self.sign("ping", b"{}"), Ping()),
        ]

    def _open(self) -> MemoryForge:
        return self._kind(self._server, Secret(_SECRET), self._log, _SERVED)

    @asynccontextmanager
    async def another(self) -> AsyncIterator[MemoryForge]:
        yield self._open()

    def sign(self, kind: str, body: bytes, *, delivery: str = "7", secret: str | None = None) -> WebhookRequest:
        key = _SECRET if secret is None else secret
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        return WebhookRequest({"x-event": kind, "x-delivery": delivery, "x-signature": f"sha256={signature}"}, body)

    def with_signature(self, request: WebhookRequest, signature: str | None) -> WebhookRequest:
        headers = {name: value for name, value in request.headers.items() if name != "x-signature"}
        return attrs.evolve(request, headers=headers if signature is None else {**headers, "x-signature": signature})

    async def shown(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ShownCheck]:
        return [_shown(each.facts, each.annotations) for each in self._server.checks.values()
                if (each.place, each.sha) == (repository.path, sha)]  # fmt: skip

    async def shown_comments(self, number: int) -> Sequence[str]:
        return [body for at, body in self._server.comments.values() if at == number]

    async def say(self, number: int, body: str) -> None:
        self._server.say(number, body)

    async def webhooks(self) -> Sequence[str]:
        return self._server.webhooks

    async def shown_reactions(self, comment: int) -> Sequence[str]:
        return sorted(self._server.reactions.get(comment, ()))

    def requests(self) -> int:
        return self._server.requests

    def fail(self, trouble: ForgeTrouble, *, times: int | None = None, only_writes: bool = False) -> None:
        self._server.fail(trouble, times, only_writes=only_writes)

    def recover(self) -> None:
        self._server.fail(None, None, only_writes=False)

    async def sign_out(self) -> None:
        self._server.good.clear()

    async def lose_check(self, remote: str) -> None:
        del self._server.checks[int(remote)]

    async def lose_comment(self, remote: str) -> None:
        del self._server.comments[int(remote)]

    async def withdraw(self) -> None:
        self._server.may_write_checks = False

    def secrets(self) -> Collection[str]:
        return [_SECRET, *self._server.tokens]

    async def miss_delivery(self) -> str:
        self._server.failed.append(f"delivery-{len(self._server.failed)}")
        return self._server.failed[-1]

    async def sent_again(self) -> Collection[str]:
        return self._server.again


def _shown(facts: dict[str, Any], annotations: int) -> ShownCheck:
    return ShownCheck(
        context=facts["context"], status=facts["status"], passes=facts["passes"], title=facts["title"],
        summary=facts["summary"], text=facts["text"], annotations=annotations, buttons=tuple(facts["buttons"]),
    )  # fmt: skip
