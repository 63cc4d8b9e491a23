"""A compact directed acyclic graph of derivations."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence


class Dag:
    """Nodes are numbered 0 to n-1, inputs before dependents; each has a key, ascending with its number.

    Adjacency lies in flat arrays: about 8 bytes a node and 4 bytes an edge in each direction, no object a node.
    """

    __slots__ = ("_dependents", "_dependents_start", "_inputs", "_inputs_start", "keys")

    def __init__(self, keys: array[int], inputs_start: array[int], inputs: array[int]) -> None:
        """Take over arrays: ``inputs[inputs_start[n]:inputs_start[n + 1]]`` are the nodes that ``n`` needs."""
        self.keys = keys
        self._inputs_start = inputs_start
        self._inputs = inputs
        self._dependents_start, self._dependents = _inverse(len(keys), inputs_start, inputs)

    @classmethod
    def of(cls, rows: Iterable[tuple[int, Sequence[int]]]) -> Dag:
        """Build from (key, keys of its inputs), ascending by key, each input before what needs it.

        Raises:
            ValueError: keys are not ascending, or an input is missing or not before its dependent.
        """
        keys, start, inputs = array("q"), array("l", [0]), array("l")
        index: dict[int, int] = {}
        for key, needed in rows:
            if keys and key <= keys[-1]:
                raise ValueError(f"keys must ascend: {key} after {keys[-1]}")
            try:
                inputs.extend(index[each] for each in needed)
            except KeyError as missing:
                raise ValueError(f"{key} needs {missing}, which is not before it") from None
            index[key] = len(keys)
            keys.append(key)
            start.append(len(inputs))
        return cls(keys, start, inputs)

    def __len__(self) -> int:
        """Count the nodes."""
        return len(self.keys)

    @property
    def edges(self) -> int:
        """Count the edges."""
        return len(self._inputs)

    def node(self, key: int) -> int:
        """Return the number of the node with this key.

        Raises:
            KeyError: there is none.
        """
        at = bisect_left(self.keys, key)
        if at == len(self.keys) or self.keys[at] != key:
            raise KeyError(key)
        return at

    def inputs(self, node: int) -> Sequence[int]:
        """Return the nodes that this one needs directly."""
        return self._inputs[self._inputs_start[node] : self._inputs_start[node + 1]]

    def dependents(self, node: int) -> Sequence[int]:
        """Return the nodes that need this one directly, ascending."""
        return self._dependents[self._dependents_start[node] : self._dependents_start[node + 1]]


def _inverse(count: int, start: array[int], targets: array[int]) -> tuple[array[int], array[int]]:
    sizes = array("l", bytes(array("l").itemsize * (count + 1)))
    for target in targets:
        sizes[target + 1] += 1
    for node in range(count):
        sizes[node + 1] += sizes[node]
    at = sizes[:]
    inverse = array("l", bytes(array("l").itemsize * len(targets)))
    for node in range(count):
        for target in targets[start[node] : start[node + 1]]:
            inverse[at[target]] = node
            at[target] += 1
    return sizes, inverse
