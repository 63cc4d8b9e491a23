"""The stand-in as a web application: every request is written down, checked against the description, and answered."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any, Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.standins.git_backend import GitRequest, serve_git
from tests.standins.gitea import places, pulls  # noqa: F401 - they register what they answer
from tests.standins.gitea.acts import Acts
from tests.standins.gitea.description import Match
from tests.standins.gitea.exchange import ENDPOINTS, SCOPES, Call, Problem
from tests.standins.gitea.records import Account, Repository, Seen
from tests.standins.gitea.world import World
from tests.standins.github.exchange import Answer
from tests.standins.github.faults import Fault, Trouble, reset, wait_for_ever
from tests.standins.github.git import Bare

_API: Final = "/api/v1"
_GIT: Final = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?(/info/refs|/git-(?:upload|receive)-pack|/HEAD|/objects/.+)")


class Service:
    """An ASGI application."""

    def __init__(self, world: World, acts: Acts) -> None:
        self.world = world
        self.acts = acts
        self.faults: list[Fault] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        data = await request.body()
        raw = scope["raw_path"].decode().split("?")[0]
        seen = Seen(request.method, raw, dict(request.query_params), dict(request.headers), None)
        self.world.seen.append(seen)
        fault = next((each for each in self.faults if each.meets(seen.method, seen.path, "any")), None)
        if fault and fault.trouble is Trouble.TIMEOUT:
            await wait_for_ever()
        if fault and fault.trouble is Trouble.RESET:
            reset(send)
            return
        in_place = fault is not None and fault.trouble in (Trouble.STATUS, Trouble.GARBAGE)
        if raw.startswith(_API):
            self._read(seen, data)
            done = await anyio.to_thread.run_sync(lambda: self._answer(seen, dry=in_place))
        else:
            done = await self._git(seen, scope["query_string"].decode(), data)
        answer = fault.answer if in_place and fault else done
        seen.status = answer.status
        await _send(answer, fault, scope, receive, send)

    def _read(self, seen: Seen, data: bytes) -> None:
        if data:
            try:
                seen.body = json.loads(data)
            except ValueError:
                self._outside(seen, ["the body is no JSON"])

    def _outside(self, seen: Seen, faults: Iterable[str]) -> None:
        self.world.problems += [f"{seen.method} {seen.path}: {fault}" for fault in faults]

    def _answer(self, seen: Seen, *, dry: bool) -> Answer:
        with self.world.lock:
            try:
                return self._checked(seen, dry=dry)
            except Problem as problem:
                return problem.answer

    def _checked(self, seen: Seen, *, dry: bool) -> Answer:
        path = seen.path.removeprefix(_API)
        found = self.world.description.match(seen.method, path)
        if found is None or found.operation.name not in ENDPOINTS:
            self._outside(seen, ["Gitea has no such operation, or the stand-in does not answer it yet"])
            raise Problem(404, "Not Found")
        seen.operation = found.operation.name
        faults = list(self.world.description.request_faults(found.operation, seen.query, seen.body))
        self._outside(seen, faults)
        if dry:
            return Answer()
        if faults:
            raise Problem(422, "; ".join(faults))
        answer = ENDPOINTS[seen.operation](self._call(seen, path, found))
        if answer.content is None:
            wrong = self.world.description.answer_faults(found.operation, answer.body)
            self.world.problems += [f"the stand-in's answer to {seen.operation}: {fault}" for fault in wrong]
        return answer

    def _call(self, seen: Seen, path: str, found: Match) -> Call:
        account = self._account(seen, SCOPES[found.operation.name])
        repository = None
        if "owner" in found.parameters:
            repository = self._repository(seen, path, found, account)
        body = seen.body if isinstance(seen.body, dict) else {}
        return Call(self.world, self.acts, path, found.parameters, seen.query, body, account, repository)

    def _account(self, seen: Seen, scope: str) -> Account | None:
        """https://docs.gitea.com/development/oauth2-provider#scopes."""
        kind, _, given = seen.headers.get("authorization", "").partition(" ")
        if not scope:
            return None
        if scope == "password":
            account = self._by_password(given)
            if kind.lower() != "basic" or account is None:
                raise Problem(401, "auth required")
            return account
        token = self.world.tokens.get(given)
        if kind.lower() not in ("token", "bearer") or token is None:
            raise Problem(401, "user does not exist [uid: 0, name: ]" if given else "token is required")
        for needed in scope.split():
            if not {needed, needed.replace("read:", "write:"), "all"} & token.scopes:
                message = f"token does not have at least one of required scope(s): [{needed}]"
                raise Problem(403, message)
        return token.account

    def _by_password(self, encoded: str) -> Account | None:
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        account = self.world.accounts.get(name.lower())
        return account if account and password and account.password == password else None

    def _repository(self, seen: Seen, path: str, found: Match, account: Account | None) -> Repository:
        owner, name = found.parameters["owner"], found.parameters["repo"]
        repository = self.world.find(owner, name)
        moved = None if repository else self.world.renamed(owner, name)
        if moved is not None:
            rest = path.removeprefix("/repos/").split("/", 2)[2:]
            location = "/".join([f"{self.world.url}{_API}/repos", moved.full_name, *rest])
            if seen.query:
                location += "?" + "&".join(f"{key}={value}" for key, value in seen.query.items())
            raise Problem(307, "moved", location=location)
        if repository is None or account is None or not repository.allows(account, "read"):
            raise Problem(404, "The target couldn't be found.")
        return repository

    async def _git(self, seen: Seen, query: str, body: bytes) -> Answer:
        found = _GIT.fullmatch(seen.path)
        if found is None:
            return Answer(status=404, content=b"Not found.")
        with self.world.lock:
            repository = self.world.find(found[1], found[2])
            account = self._git_account(seen.headers.get("authorization", ""))
        if account is None and not (repository and not repository.private):
            return Answer(status=401, content=b"Unauthorized", headers={"www-authenticate": 'Basic realm="Gitea"'})
        pushes = "git-receive-pack" in seen.path + query
        if repository is None or (account and not repository.allows(account, "write" if pushes else "read")):
            return Answer(status=404 if not pushes else 403, content=b"Repository not found.")
        if pushes and account is None:
            return Answer(status=401, content=b"Unauthorized", headers={"www-authenticate": 'Basic realm="Gitea"'})
        before = Bare(repository.folder).branches() if pushes else {}
        asked = GitRequest(seen.method, found[3], query, seen.headers, body)
        status, headers, content = await serve_git(repository.folder, asked)
        if pushes and account is not None:
            by, place = account, repository
            await anyio.to_thread.run_sync(lambda: self.acts.pushed(place, before, by))
        return Answer(status=status, content=content, headers=headers)

    def _git_account(self, authorization: str) -> Account | None:
        """As a password a token needs no user's name: https://docs.gitea.com/development/api-usage#authentication."""
        kind, _, encoded = authorization.partition(" ")
        try:
            _, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        found = self.world.tokens.get(token)
        allowed = found and {"read:repository", "write:repository", "all"} & found.scopes
        return found.account if kind.lower() == "basic" and found and allowed else None


async def _send(answer: Answer, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
    content = answer.content
    headers: dict[str, Any] = {**answer.headers}
    if fault and fault.trouble is Trouble.GARBAGE:
        content = b"<html><body>502 Bad Gateway</body></html>"
        headers["content-type"] = "text/html"
    elif content is None and answer.body is not None:
        content = json.dumps(answer.body).encode()
        headers["content-type"] = "application/json;charset=utf-8"
    if fault and fault.trouble is Trouble.LOST:
        reset(send)
    elif fault and fault.trouble is Trouble.CUT:
        head = [(name.encode(), value.encode()) for name, value in headers.items()]
        head.append((b"content-length", str(len(content or b"") + 1).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        half = (content or b"")[: len(content or b"") // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        reset(send)
    else:
        await Response(content or b"", answer.status, headers)(scope, receive, send)
