"""One request and its answer, as the endpoints of the stand-in see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

import attrs
from tests.standins.gitea.records import Account, Pull, Repository
from tests.standins.github.exchange import Answer

if TYPE_CHECKING:
    from tests.standins.gitea.acts import Acts
    from tests.standins.gitea.world import World

DEFAULT_PAGE: Final = 30
"""``DEFAULT_PAGING_NUM``."""

Endpoint = TypeVar("Endpoint", bound="Callable[[Call], Answer]")


class Problem(Exception):
    """An answer that says no."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        body = {"message": message, "url": "https://gitea.example.org/api/swagger"}
        self.answer = Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@attrs.frozen
class Call:
    """A request to one operation, by somebody who may ask it."""

    world: World
    acts: Acts
    path: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    account: Account | None = None
    repository: Repository | None = None

    @property
    def place(self) -> Repository:
        """The repository that the path names."""
        assert self.repository is not None, self.path
        return self.repository

    @property
    def caller(self) -> Account:
        """Who asks."""
        assert self.account is not None, self.path
        return self.account

    def number(self, name: str) -> int:
        """Return a parameter of the path that is a number.

        Raises:
            Problem: it is not.
        """
        text = self.parameters[name]
        if not text.isdecimal():
            raise Problem(404, "The target couldn't be found.")
        return int(text)

    @property
    def pull(self) -> Pull:
        """The pull request that the path names."""
        found = self.place.pulls.get(self.number("index"))
        if found is None:
            raise Problem(404, "The target couldn't be found.")
        return found

    def need(self, role: str) -> None:
        """Refuse who may not.

        Raises:
            Problem: the caller may less than a role.
        """
        if not self.place.allows(self.caller, role):
            raise Problem(403, f"user should have a permission to {role} to a repo")

    def page(self, items: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
        """Return one page of a list and its headers: https://docs.gitea.com/development/api-usage#pagination."""
        size = min(int(self.query.get("limit") or DEFAULT_PAGE), self.world.longest_page)
        page = max(int(self.query.get("page", 1)), 1)
        last = max(-(-len(items) // size), 1)
        headers = {"x-total-count": str(len(items))}
        if page < last:
            link = f"{self.world.url}/api/v1{self.path}"
            following = urlencode({**self.query, "page": page + 1})
            headers["link"] = f'<{link}?{following}>; rel="next"'
        return list(items[(page - 1) * size : page * size]), headers


ENDPOINTS: Final[dict[str, Callable[[Call], Answer]]] = {}
"""What answers each operation."""
SCOPES: Final[dict[str, str]] = {}
"""What a token needs for it; empty where it needs none."""


def answers(operation: str, scope: str) -> Callable[[Endpoint], Endpoint]:
    """Register what answers an operation, by its name in the published description."""

    def register(endpoint: Endpoint) -> Endpoint:
        assert operation not in ENDPOINTS, operation
        ENDPOINTS[operation], SCOPES[operation] = endpoint, scope
        return endpoint

    return register
