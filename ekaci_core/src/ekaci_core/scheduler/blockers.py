"""What keeps derivations from being built, packed: a failure that ten thousand others need is kept once."""

from __future__ import annotations

from array import array
from typing import Final

from ekaci_core.model.ids import DrvPath

NOTHING: Final[frozenset[DrvPath]] = frozenset()


class Blockers:
    """A set of derivations for each row, most of which are empty. Sets that are equal are one, as long as it is used.

    It takes no room before the first one that is not empty, and then 4 bytes a row.
    """

    def __init__(self) -> None:
        self._numbers = array("I")
        self._sets: list[frozenset[DrvPath]] = [NOTHING]
        self._uses = [0]
        self._number_of: dict[frozenset[DrvPath], int] = {NOTHING: 0}
        self._free: list[int] = []

    def __getitem__(self, row: int) -> frozenset[DrvPath]:
        return self._sets[self._numbers[row]] if row < len(self._numbers) else NOTHING

    def __len__(self) -> int:
        """Count the different sets in use that are not empty."""
        return len(self._number_of) - 1

    def shared(self, blockers: frozenset[DrvPath]) -> frozenset[DrvPath]:
        """Return the equal set that is in use, this one where there is none."""
        number = self._number_of.get(blockers)
        return blockers if number is None else self._sets[number]

    def put(self, row: int, blockers: frozenset[DrvPath]) -> None:
        """Set those of a row."""
        if row >= len(self._numbers):
            if not blockers:
                return
            self._numbers.frombytes(bytes(self._numbers.itemsize * (row + 1 - len(self._numbers))))
        before, now = self._numbers[row], self._number(blockers)
        self._uses[now] += 1
        self._numbers[row] = now
        self._uses[before] -= 1
        if before and not self._uses[before]:
            del self._number_of[self._sets[before]]
            self._sets[before] = NOTHING
            self._free.append(before)

    def _number(self, blockers: frozenset[DrvPath]) -> int:
        number = self._number_of.get(blockers)
        if number is None:
            if self._free:
                number = self._free.pop()
                self._sets[number] = blockers
            else:
                number = len(self._sets)
                self._sets.append(blockers)
                self._uses.append(0)
            self._number_of[blockers] = number
        return number
