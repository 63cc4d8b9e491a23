"""How often one person may give commands in comments."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ekaci_core.model.forge import Person, RepositoryId

LEAST_SECONDS: Final = 5.0
MOST_PEOPLE: Final = 10_000


class CommandPace:
    """Lets a person give a command in a repository every five seconds.

    The time is that of the comment, as the forge tells it: who wrote commands while the server was down wrote them at
    a human pace. What is refused is refused in silence, as any answer would be one more request. Nothing of this is
    kept when the process ends.
    """

    def __init__(self, least_seconds: float = LEAST_SECONDS, most_people: int = MOST_PEOPLE) -> None:
        self._least_seconds = least_seconds
        self._most_people = most_people
        self._last: OrderedDict[tuple[str, int, RepositoryId], tuple[int, float]] = OrderedDict()

    def allows(self, person: Person, repository: RepositoryId, comment: int, at: float) -> bool:
        """Whether this comment may give a command; one that was allowed is allowed again when it is handled again."""
        key = (repository.forge, person.id, repository)
        last = self._last.get(key)
        if last is not None and last[0] != comment and abs(at - last[1]) < self._least_seconds:
            return False
        self._last[key] = (comment, at)
        self._last.move_to_end(key)
        if len(self._last) > self._most_people:
            self._last.popitem(last=False)
        return True
