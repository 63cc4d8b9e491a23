"""The application: routes are data, and what every answer has in common stands around them."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from ekaci_core.api import Logger
from ekaci_core.web.answers import json_answer
from ekaci_core.web.boundary import Boundary, answer_to


def web_app(routes: Iterable[BaseRoute], log: Logger) -> ASGIApp:
    """Make the application.

    Args:
        routes: what it serves; anything else is 404, and another method 405.
        log: gets a line for each request that failed in a way nobody foresaw.
    """
    app = Starlette(routes=list(routes), exception_handlers={HTTPException: _refused, Exception: _failed})
    app.router.redirect_slashes = False
    return Boundary(app, log)


async def _refused(request: Request, error: Exception) -> Response:
    del request
    if not isinstance(error, HTTPException):
        raise error
    return json_answer(error.status_code, {"error": error.detail}, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    del request
    return answer_to(error)
