"""The outermost part of the application: headers for every answer, and an answer for every surprise."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ekaci_core.api import EkaciError, Logger
from ekaci_core.process.plain import one_line
from ekaci_core.web.answers import failure

# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_INTERNAL_ERROR: Final = 500
_UNAVAILABLE: Final = 503
_RETRY_SECONDS: Final = 30


class Boundary:
    """Wraps the application. A route that sets one of the headers itself keeps its own."""

    def __init__(self, app: ASGIApp, log: Logger) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001 - see below
            # Who asked hears nothing of our inside; operators get one line, and the server goes on.
            self._log.warning("request_failed", path=one_line(scope["path"], 200), reason=_described(error))
            if not started:
                await answer_to(error)(scope, receive, send_with_headers)


def answer_to(error: Exception) -> Response:
    """Say that something failed, and nothing of why."""
    if isinstance(error, EkaciError):
        return failure(_UNAVAILABLE, "this cannot be done now", retry_after_seconds=_RETRY_SECONDS)
    return failure(_INTERNAL_ERROR, "an unforeseen fault; the operator's log says more")


def _described(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}", 500)
