"""A forge's server in memory: limits, tokens, pages and trouble as those of real ones, without a network."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio
import attrs

from ekaci_core.testing.forge_laboratory import RETRY_AFTER_SECONDS, ForgeTrouble

PAGE: Final = 3
LONGEST_BYTES: Final = 65_535
ANNOTATIONS: Final = 50
_ZERO: Final = 0

Result = TypeVar("Result")


class Refusal(Exception):
    """An answer with a status that is not good; ``wait`` is what it says about trying again."""

    def __init__(self, status: int, wait: float | None = None) -> None:
        super().__init__(f"the server answered {status}")
        self.status = status
        self.wait = wait


@attrs.define
class StoredCheck:
    """A check as the server has it."""

    id: int
    place: str
    sha: str
    facts: dict[str, Any]
    annotations: int = 0


@attrs.define
class MemoryServer:
    """What is there, and what goes wrong."""

    checks: dict[int, StoredCheck] = attrs.field(factory=dict)
    comments: dict[int, tuple[int, str]] = attrs.field(factory=dict)
    people_said: set[int] = attrs.field(factory=set)
    webhooks: list[str] = attrs.field(factory=list)
    reactions: dict[int, set[str]] = attrs.field(factory=dict)
    pulls: dict[int, Any] = attrs.field(factory=dict)
    roles: dict[str, tuple[int, str]] = attrs.field(factory=dict)
    files: dict[str, tuple[str, bytes]] = attrs.field(factory=dict)
    failed: list[str] = attrs.field(factory=list)
    again: list[str] = attrs.field(factory=list)
    may_write_checks: bool = True
    requests: int = 0
    tokens: list[str] = attrs.field(factory=list)
    good: set[str] = attrs.field(factory=set)
    ids: Any = attrs.field(factory=lambda: itertools.count(1))
    _trouble: ForgeTrouble | None = None
    _times: int | None = None
    _only_writes: bool = False

    def fail(self, trouble: ForgeTrouble | None, times: int | None, *, only_writes: bool) -> None:
        """Let requests go wrong, or none where there is no trouble."""
        self._trouble, self._times, self._only_writes = trouble, times, only_writes

    async def sign_in(self) -> str:
        """Give a token out."""

        def give() -> str:
            token = f"memory-token-{next(self.ids):08}-of-nobody"
            self.tokens.append(token)
            self.good.add(token)
            return token

        return await self._through(give, writes=False)

    async def request(self, token: str, action: Callable[[], Result], *, writes: bool = False) -> Result:
        """Do something for who has a good token.

        Raises:
            Refusal: it was refused.
            ConnectionError: the connection ended.
            ValueError: the answer is no document.
        """

        def checked() -> Result:
            if token not in self.good:
                raise Refusal(401)
            return action()

        return await self._through(checked, writes=writes)

    async def _through(self, action: Callable[[], Result], *, writes: bool) -> Result:
        await anyio.sleep(_ZERO)
        self.requests += 1
        trouble = self._next_trouble(writes=writes)
        if trouble is None:
            return action()
        if trouble is ForgeTrouble.SILENCE:
            await anyio.sleep_forever()
        if trouble is ForgeTrouble.RESET:
            raise ConnectionError("reset")
        if isinstance(trouble.value, int):
            raise Refusal(trouble.value, RETRY_AFTER_SECONDS if trouble is ForgeTrouble.TOO_MANY else None)
        if trouble is ForgeTrouble.GARBAGE:
            raise ValueError("no document")
        action()
        raise ConnectionError("the answer is lost")

    def _next_trouble(self, *, writes: bool) -> ForgeTrouble | None:
        if self._trouble is None or self._times == 0 or (self._only_writes and not writes):
            return None
        if self._times is not None:
            self._times -= 1
        return self._trouble

    # --- what can be asked for; all of it is done in one step

    def make_check(self, place: str, sha: str, facts: dict[str, Any]) -> int:
        """Make a check and return its number."""
        self._check(facts)
        made = StoredCheck(next(self.ids), place, sha, dict(facts), len(facts["annotations"]))
        self.checks[made.id] = made
        return made.id

    def change_check(self, number: int, facts: dict[str, Any]) -> int:
        """Change a check."""
        if number not in self.checks:
            raise Refusal(404)
        self._check(facts)
        self.checks[number].facts = dict(facts)
        self.checks[number].annotations += len(facts["annotations"])
        return number

    def _check(self, facts: dict[str, Any]) -> None:
        if len(facts["annotations"]) > ANNOTATIONS:
            raise Refusal(422)
        for text in (facts["title"], facts["summary"], facts["text"], *facts["buttons"]):
            if len(text.encode()) > LONGEST_BYTES:
                raise Refusal(422)

    def find_check(self, place: str, sha: str, name: str) -> int | None:
        """Find a check by the name that its maker gave it."""
        return next(
            (
                each.id
                for each in self.checks.values()
                if (each.place, each.sha, each.facts["external_id"]) == (place, sha, name)
            ),
            None,
        )

    def write_comment(self, number: int, body: str) -> int:
        """Write a comment."""
        if number not in self.pulls:
            raise Refusal(404)
        return self._kept_comment(next(self.ids), number, body)

    def say(self, number: int, body: str) -> None:
        """Let a person comment."""
        self.people_said.add(self.write_comment(number, body))

    def page_of_comments(self, number: int, page: int) -> list[tuple[int, str, bool]]:
        """Return a page of comments, the oldest first: their names, what they say, and whether a person wrote them."""
        found = [(name, body, name in self.people_said) for name, (at, body) in self.comments.items() if at == number]
        return found[page * PAGE : (page + 1) * PAGE]

    def change_comment(self, comment: int, body: str) -> int:
        """Change a comment."""
        if comment not in self.comments:
            raise Refusal(404)
        return self._kept_comment(comment, self.comments[comment][0], body)

    def _kept_comment(self, comment: int, number: int, body: str) -> int:
        if len(body.encode()) > LONGEST_BYTES:
            raise Refusal(422)
        self.comments[comment] = (number, body)
        return comment

    def page_of_pulls(self, page: int) -> list[Any]:
        """Return a page of open pull requests."""
        return list(self.pulls.values())[page * PAGE : (page + 1) * PAGE]
