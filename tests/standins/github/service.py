"""The stand-in as a web application: every request is written down, checked against the description, and answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.standins.github import apps, checks, places, pulls  # noqa: F401 - they register what they answer
from tests.standins.github.callers import identified
from tests.standins.github.exchange import ENDPOINTS, Answer, Call, Problem
from tests.standins.github.faults import Fault, Trouble, reset, wait_for_ever
from tests.standins.github.git_http import answer_git, is_git
from tests.standins.github.limits import Limits
from tests.standins.github.operations import ANYONE, JWT, OPERATIONS
from tests.standins.github.records import Seen
from tests.standins.github.world import ENTERPRISE, World

_FREE: Final = ("rate-limit/get", "meta/root")
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
        asked = scope["raw_path"].decode().split("?")[0]
        raw = asked.removeprefix(ENTERPRISE) or "/"
        seen = Seen(request.method, raw, dict(request.query_params), dict(request.headers), None)
        self.world.seen.append(seen)
        if self.world.enterprise and is_git(raw) == (raw != asked):
            # An API that is asked for as at github.com, or a clone out of the API.
            self._outside(seen, [f"GitHub Enterprise Server has nothing at {asked}"])
            await _send(Answer(status=404, content=b"<html>Page not found</html>"), None, scope, receive, send)
            return
        if is_git(raw):
            fault = self._fault(seen, "git")
            if fault and await _before(fault, send):
                return
            answer = fault.answer if fault else await answer_git(self.world, seen, scope["query_string"].decode(), data)
        else:
            self._read(seen, data)
            found = self.world.description.match(seen.method, self._moved(raw))
            seen.operation = found.operation if found else None
            fault = self._fault(seen, seen.operation or "none")
            if fault and await _before(fault, send):
                return
            in_place = fault is not None and fault.trouble in (Trouble.STATUS, Trouble.GARBAGE)
            done = await anyio.to_thread.run_sync(lambda: self._answer(seen, dry=in_place))
            answer = fault.answer if in_place and fault else done
        seen.status = answer.status
        await _send(answer, fault, scope, receive, send)

    def _fault(self, seen: Seen, operation: str) -> Fault | None:
        return next((each for each in self.faults if each.meets(seen.method, seen.path, operation)), None)

    def _read(self, seen: Seen, data: bytes) -> None:
        if data:
            try:
                seen.body = json.loads(data)
            except ValueError:
                self._outside(seen, ["the body is no JSON"])

    def _outside(self, seen: Seen, faults: Iterable[str]) -> None:
        self.world.problems += [f"{seen.method} {seen.path}: {fault}" for fault in faults]

    def _moved(self, path: str) -> str:
        """Translate what redirections lead to, as /repositories/42/pulls; the description does not have it."""
        parts = path.split("/", 3)
        if parts[1] == "repositories" and len(parts) > 2 and parts[2].isdecimal():
            found = self.world.repositories.get(int(parts[2]))
            if found:
                return "/".join(["/repos", found.full_name, *parts[3:]])
        return path

    def _answer(self, seen: Seen, *, dry: bool) -> Answer:
        """Check a request and answer it; ``dry`` only checks it against the description."""
        with self.world.lock:
            try:
                return self._checked(seen, dry=dry)
            except Problem as problem:
                return problem.answer

    def _checked(self, seen: Seen, *, dry: bool) -> Answer:
        path = self._moved(seen.path)
        found = self.world.description.match(seen.method, path)
        if found is None:
            self._outside(seen, ["GitHub has no such operation"])
            raise Problem(404, "Not Found")
        if found.operation not in OPERATIONS:
            self._outside(seen, [f"the stand-in does not answer {found.operation} yet"])
            raise Problem(501, "not implemented by the stand-in")
        faults = list(self.world.description.request_faults(found.operation, found.parameters, seen.query, seen.body))
        if "user-agent" not in seen.headers:
            faults.append("GitHub refuses requests without a User-Agent")
        self._outside(seen, faults)
        if dry:
            return Answer()
        if faults:
            raise Problem(422, "Invalid request.\n\n" + "\n".join(faults))
        needed = OPERATIONS[found.operation]
        call = identified(self.world, found.operation, found.parameters, seen, needed)
        return self._limited(call, seen, needed)

    def _limited(self, call: Call, seen: Seen, needed: str) -> Answer:
        counted = needed not in (JWT, ANYONE) and call.operation not in _FREE
        caller = str(call.grant.installation.id) if call.grant else ""
        answer = Answer()
        try:
            if counted:
                self.limits.check(caller, makes_content=seen.is_write)
            answer = self._completed(call, ENDPOINTS[call.operation](call))
        except Problem as problem:
            answer = problem.answer
        headers = {**answer.headers, "x-github-media-type": "github.v3; format=json"}
        if counted:
            headers |= self.limits.headers(caller)
        if seen.method == "GET" and answer.status < 300:
            headers |= {"etag": answer.etag, "cache-control": "private, max-age=60, s-maxage=60"}
            if answer.etag in seen.headers.get("if-none-match", ""):
                if counted:
                    self.limits.window(caller).used -= 1
                    headers |= self.limits.headers(caller)
                return Answer(status=_NOT_MODIFIED, headers=headers)
        return Answer(answer.body, answer.status, headers, answer.content)

    def _completed(self, call: Call, answer: Answer) -> Answer:
        if answer.content is not None or answer.body is None:
            return answer
        description = self.world.description
        body = description.answer(call.operation, answer.status, answer.body)
        faults = description.answer_faults(call.operation, answer.status, body)
        self.world.problems += [f"the stand-in's answer to {call.operation}: {fault}" for fault in faults]
        return Answer(body, answer.status, answer.headers)


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
    headers: dict[str, Any] = {"x-github-request-id": "0400:7F8D:1:1:1", **answer.headers}
    if fault and fault.trouble is Trouble.GARBAGE:
        content = b"<html><body>Whoa there! Something went wrong.</body></html>"
        headers["content-type"] = "text/html"
    elif content is None and answer.body is not None:
        content = json.dumps(answer.body).encode()
        headers["content-type"] = "application/json; charset=utf-8"
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
