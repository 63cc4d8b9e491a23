"""One request and its answer, as the endpoints of the stand-in see them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

import attrs
from tests.standins.github.records import App, Grant, Repository

if TYPE_CHECKING:
    from tests.standins.github.world import World

PAGE: Final = 30
DOCUMENTATION: Final = "https://docs.github.com/rest"

Endpoint = TypeVar("Endpoint", bound="Callable[[Call], Answer]")


@attrs.frozen
class Answer:
    """What is answered. ``content`` stands for itself where it is not JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    content: bytes | None = None

    @property
    def etag(self) -> str:
        """A mark of what the body says."""
        data = json.dumps(self.body, sort_keys=True).encode() if self.content is None else self.content
        return f'W/"{hashlib.sha256(data).hexdigest()}"'


class Problem(Exception):
    """An answer that says no."""

    def __init__(self, status: int, message: str, errors: Sequence[Any] = (), **headers: str) -> None:
        super().__init__(message)
        body: dict[str, Any] = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
        if errors:
            body["errors"] = list(errors)
        self.answer = Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@attrs.frozen
class Call:
    """A request to one operation, by somebody who may ask it."""

    world: World
    operation: str
    url: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    app: App | None = None
    grant: Grant | None = None
    repository: Repository | None = None

    @property
    def place(self) -> Repository:
        """The repository that the path names."""
        assert self.repository is not None, self.operation
        return self.repository

    @property
    def caller(self) -> App:
        """The App that asks, by itself or through an installation."""
        if self.grant is not None:
            return self.grant.installation.app
        assert self.app is not None, self.operation
        return self.app

    def number(self, name: str) -> int:
        """Return a parameter of the path that is a number.

        Raises:
            Problem: it is not.
        """
        text = self.parameters[name]
        if not text.isdecimal():
            raise Problem(404, "Not Found")
        return int(text)

    def page(self, items: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
        """Return one page of a list and the headers that lead to others.

        https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api
        """
        size = min(int(self.query.get("per_page", PAGE)), self.world.longest_page)
        page = max(int(self.query.get("page", 1)), 1)
        last = max(-(-len(items) // size), 1)
        links: dict[str, int] = {}
        if page < last:
            links |= {"next": page + 1, "last": last}
        if page > 1:
            links |= {"prev": page - 1, "first": 1}
        return list(items[(page - 1) * size : page * size]), self._link(
            {relation: {"page": str(number)} for relation, number in links.items()}
        )

    def cursor_page(self, items: Sequence[Any], name: Callable[[Any], str]) -> tuple[list[Any], dict[str, str]]:
        """Return one page of a list that is leafed through by a cursor: the name of the first item of the next page."""
        size = min(int(self.query.get("per_page", PAGE)), self.world.longest_page)
        names = [name(item) for item in items]
        cursor = self.query.get("cursor")
        if cursor is not None and cursor not in names:
            raise Problem(400, "Invalid cursor")
        begin = names.index(cursor) if cursor else 0
        end = begin + size
        return list(items[begin:end]), self._link({"next": {"cursor": names[end]}} if end < len(names) else {})

    def _link(self, relations: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        if not relations:
            return {}
        pages = {relation: urlencode({**self.query, **more}) for relation, more in relations.items()}
        return {"link": ", ".join(f'<{self.url}?{query}>; rel="{relation}"' for relation, query in pages.items())}


ENDPOINTS: Final[dict[str, Callable[[Call], Answer]]] = {}
"""What answers each operation."""


def answers(operation: str) -> Callable[[Endpoint], Endpoint]:
    """Register what answers an operation, by its name in the published description."""

    def register(endpoint: Endpoint) -> Endpoint:
        assert operation not in ENDPOINTS, operation
        ENDPOINTS[operation] = endpoint
        return endpoint

    return register


def validation_failed(resource: str, field: str, code: str, message: str = "") -> Problem:
    """Say what GitHub says of a request that its description allows and its rules do not."""
    error = {"resource": resource, "field": field, "code": code}
    return Problem(422, "Validation Failed", [{**error, "message": message} if message else error])
