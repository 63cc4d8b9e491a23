"""One request and its answer, as the endpoints of the stand-in see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

import attrs
from tests.standins.github.exchange import Answer
from tests.standins.gitlab.records import Account, MergeRequest, Project, Token

if TYPE_CHECKING:
    from tests.standins.gitlab.world import World

PAGE: Final = 20

Endpoint = TypeVar("Endpoint", bound="Callable[[Call], Answer]")


class Problem(Exception):
    """An answer that says no: https://docs.gitlab.com/api/rest/troubleshooting/"""

    def __init__(self, status: int, message: Any, *, error: bool = False, **headers: str) -> None:
        super().__init__(str(message))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = Answer({"error" if error else "message": message}, status, named)


def not_found(what: str) -> Problem:
    """Say that something is not there, as also of what may not be seen."""
    return Problem(404, f"404 {what} Not Found")


@attrs.frozen
class Call:
    """A request to one operation, by somebody who may ask it."""

    world: World
    operation: str
    url: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    token: Token
    project: Project | None = None

    @property
    def caller(self) -> Account:
        """Who asks."""
        return self.token.account

    @property
    def place(self) -> Project:
        """The project that the path names."""
        assert self.project is not None, self.operation
        return self.project

    def merge_request(self) -> MergeRequest:
        """Return the merge request that the path names.

        Raises:
            Problem: there is none.
        """
        text = self.parameters["iid"]
        found = self.place.merge_requests.get(int(text)) if text.isdecimal() else None
        if found is None:
            raise Problem(404, "404 Not found")
        return found

    def page(self, items: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
        """Return one page of a list, and the headers that lead to others.

        https://docs.gitlab.com/api/rest/#offset-based-pagination
        """
        size, page = self._size(), max(int(self.query.get("page", 1)), 1)
        last = max(-(-len(items) // size), 1)
        headers = {"x-page": str(page), "x-per-page": str(size), "x-total": str(len(items)), "x-total-pages": str(last)}
        links = {"first": 1, "last": last}
        if page < last:
            links["next"] = page + 1
            headers["x-next-page"] = str(page + 1)
        if page > 1:
            links["prev"] = page - 1
        headers["link"] = ", ".join(self._link(relation, {"page": str(to)}) for relation, to in links.items())
        return list(items[(page - 1) * size : page * size]), headers

    def keyset_page(
        self, items: Sequence[Any], parameter: str, key: Callable[[Any], str]
    ) -> tuple[list[Any], dict[str, str]]:
        """Return one page of a list that is leafed through by what the last page ended with.

        https://docs.gitlab.com/api/rest/#keyset-based-pagination
        """
        after = self.query.get(parameter)
        keys = [key(item) for item in items]
        begin = keys.index(after) + 1 if after in keys else 0
        end = begin + self._size()
        link = {"link": self._link("next", {parameter: keys[end - 1]})} if end < len(keys) else {}
        return list(items[begin:end]), link

    def _size(self) -> int:
        return min(int(self.query.get("per_page", PAGE)), self.world.longest_page)

    def _link(self, relation: str, changes: Mapping[str, str]) -> str:
        return f'<{self.url}?{urlencode({**self.query, **changes})}>; rel="{relation}"'


ENDPOINTS: Final[dict[str, Callable[[Call], Answer]]] = {}
"""What answers each operation."""


def answers(operation: str) -> Callable[[Endpoint], Endpoint]:
    """Register what answers an operation, by its name in the description."""

    def register(endpoint: Endpoint) -> Endpoint:
        assert operation not in ENDPOINTS, operation
        ENDPOINTS[operation] = endpoint
        return endpoint

    return register
