"""The stand-in as a web application: every request is written down, checked against the documents, and answered."""

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
from tests.standins.github.exchange import Answer
from tests.standins.github.faults import Fault, Trouble, reset, wait_for_ever
from tests.standins.github.records import Seen
from tests.standins.gitlab import commits, places  # noqa: F401 - they register what they answer
from tests.standins.gitlab.description import Operation, match, request_faults
from tests.standins.gitlab.exchange import ENDPOINTS, Call, Problem, not_found
from tests.standins.gitlab.limits import Limits
from tests.standins.gitlab.records import REPORTER, Project, Token
from tests.standins.gitlab.requests import answer_graphql
from tests.standins.gitlab.world import World

API: Final = "/api/v4"
GRAPHQL: Final = "/api/graphql"
_GIT: Final = re.compile(r"/(.+?)\.git(/info/refs|/git-(?:upload|receive)-pack|/HEAD|/objects/.+)")
_NOT_MODIFIED: Final = 304


class Service:
    """An ASGI application."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.limits = Limits(world.now)
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
        git = _GIT.fullmatch(raw)
        fault = next(
            (each for each in self.faults if each.meets(seen.method, seen.path, "git" if git else "api")), None
        )
        if fault and await _before(fault, send):
            return
        if git:
            done = await self._git(git, seen, scope["query_string"].decode(), data)
        else:
            in_place = fault is not None and fault.trouble in (Trouble.STATUS, Trouble.GARBAGE)
            done = await anyio.to_thread.run_sync(lambda: self._answer(seen, data, str(request.base_url), dry=in_place))
        answer = fault.answer if fault and fault.trouble is Trouble.STATUS else done
        seen.status = answer.status
        await _send(answer, fault, scope, receive, send)

    def _outside(self, seen: Seen, faults: Iterable[str]) -> None:
        self.world.problems += [f"{seen.method} {seen.path}: {fault}" for fault in faults]

    def _answer(self, seen: Seen, data: bytes, base: str, *, dry: bool) -> Answer:
        """Check a request and answer it; ``dry`` only checks it against the documents."""
        with self.world.lock:
            try:
                seen.body = json.loads(data) if data else None
                return self._counted(seen, base, dry=dry)
            except ValueError:
                self._outside(seen, ["the body is no JSON"])
                return Answer({"error": "400 Bad request"}, 400)
            except Problem as problem:
                return problem.answer

    def _counted(self, seen: Seen, base: str, *, dry: bool) -> Answer:
        if "user-agent" not in seen.headers:
            self._outside(seen, ["there is no User-Agent"])
        token = None if dry else self._token(seen)
        if token is not None:
            self.limits.check(token.account.id, notes=seen.method != "GET" and "/notes" in seen.path)
        if seen.path == GRAPHQL and token is not None:
            if "api" not in token.scopes:
                raise Problem(401, "Invalid token", error=True)
            return answer_graphql(self.world, token.account, seen.body)
        answer = Answer() if seen.path == GRAPHQL else self._checked(seen, base, token)
        headers = {**answer.headers, **(self.limits.headers(token.account.id) if token else {})}
        if seen.method == "GET" and answer.status < 300:
            headers["etag"] = answer.etag
            if answer.etag in seen.headers.get("if-none-match", ""):
                return Answer(status=_NOT_MODIFIED, headers=headers)
        return Answer(answer.body, answer.status, headers, answer.content)

    def _checked(self, seen: Seen, base: str, token: Token | None) -> Answer:
        found = match(seen.method, seen.path.removeprefix(API)) if seen.path.startswith(API) else None
        if found is None:
            self._outside(seen, ["the stand-in knows no such operation"])
            raise Problem(404, "404 Not Found", error=True)
        seen.operation = found.name
        faults = list(request_faults(found.operation, seen.query, seen.body))
        self._outside(seen, faults)
        if token is None:
            return Answer()
        if faults:
            raise Problem(400, ", ".join(faults), error=True)
        if not token.scopes & {"api", "read_api"} or (seen.method != "GET" and "api" not in token.scopes):
            raise Problem(403, "insufficient_scope", error=True)
        project = (
            self._project(found.parameters["project"], found.operation, token)
            if "project" in found.parameters
            else None
        )
        url = f"{base.rstrip('/')}{seen.path}"
        call = Call(self.world, found.name, url, found.parameters, seen.query, seen.body or {}, token, project)
        return ENDPOINTS[found.name](call)

    def _project(self, name: str, operation: Operation, token: Token) -> Project:
        """Find a project; who may not see it is told that there is none."""
        found = self.world.find(name)
        level = self.world.level(found, token.account) if found else 0
        if found is None or (found.private and not level):
            raise not_found("Project")
        free = operation.method == "GET" and operation.least <= REPORTER and not found.private
        if (
            level < operation.least
            and not free
            and not (operation.method == "POST" and not found.private and operation.least <= 10)
        ):
            raise Problem(403, "403 Forbidden")
        return found

    def _token(self, seen: Seen) -> Token:
        kind, _, value = seen.headers.get("authorization", "").partition(" ")
        given = seen.headers.get("private-token") or (value if kind.lower() == "bearer" else "")
        token = self.world.tokens.get(given)
        if token is None:
            raise Problem(401, "401 Unauthorized")
        if token.revoked:
            raise Problem(401, "invalid_token", error=True)
        return token

    async def _git(self, found: re.Match[str], seen: Seen, query: str, data: bytes) -> Answer:
        asked = Answer(
            content=b"HTTP Basic: Access denied", status=401, headers={"www-authenticate": 'Basic realm="GitLab"'}
        )
        with self.world.lock:
            project = self.world.find(found[1])
            kind, _, encoded = seen.headers.get("authorization", "").partition(" ")
            password = base64.b64decode(encoded).decode().partition(":")[2] if kind.lower() == "basic" else ""
            token = self.world.tokens.get(password)
            readable = token is not None and not token.revoked and token.scopes & {"api", "read_repository"}
            if project is None or project.private:
                if token is None or not readable:
                    return asked
                if project is None or self.world.level(project, token.account) < REPORTER:
                    return Answer(status=404, content=b"The project you were looking for could not be found.")
        if "git-receive-pack" in seen.path + query:
            return Answer(status=403, content=b"This stand-in takes no pushes.")
        wanted = GitRequest(seen.method, found[2], query, seen.headers, data)
        status, headers, content = await serve_git(project.folder, wanted)
        return Answer(status=status, content=content, headers=headers)


async def _before(fault: Fault, send: Send) -> bool:
    """Let happen what happens before anything is done; whether that was all."""
    if fault.trouble is Trouble.TIMEOUT:
        await wait_for_ever()
    if fault.trouble is Trouble.RESET:
        reset(send)
        return True
    return False


async def _send(answer: Answer, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
    content = answer.content
    headers: dict[str, Any] = {"x-request-id": "01JTEST", **answer.headers}
    if fault and fault.trouble is Trouble.GARBAGE:
        content = b"<html><body>Whoops, something went wrong on our end.</body></html>"
        headers["content-type"] = "text/html; charset=utf-8"
    elif content is None and answer.body is not None:
        content = json.dumps(answer.body).encode()
        headers["content-type"] = "application/json"
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
