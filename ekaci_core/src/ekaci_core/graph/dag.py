"""A compact directed acyclic graph of derivations."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence


class Dag:
    """Nodes are numbered 0 to n-1, inputs before dependents; each has a key, ascending with its number.

    Adjacency lies in flat arrays: about 16 bytes a node and 4 bytes an edge in each direction, no object a node.
    The direction to the dependents is made when it is first asked for.
    """

    __slots__ = ("_dependents", "_dependents_start", "_inputs", "_inputs_start", "keys")

    def __init__(self, keys: array[int], inputs_start: array[int], inputs: array[int]) -> None:
        """Take over arrays: ``inputs[inputs_start[n]:inputs_start[n + 1]]`` are the nodes that ``n`` needs.

        Prefer `of` and `of_packed`, which check what they are given.
        """
        self.keys = keys
        self._inputs_start = inputs_start
        self._inputs = inputs
        self._dependents_start = array("i")
        self._dependents = array("i")

    @classmethod
    def of(cls, rows: Iterable[tuple[int, Sequence[int]]]) -> Dag:
        """Build from (key, keys of its inputs), ascending by key, each input before what needs it.

        Raises:
            ValueError: keys are not ascending, or an input is missing or not before its dependent.
        """
        keys, start, needed = array("q"), array("i", [0]), array("q")
        for key, inputs in rows:
            keys.append(key)
            needed.extend(inputs)
            start.append(len(needed))
        return cls(*_numbered(keys, start, needed))

    @classmethod
    def of_packed(cls, rows: Iterable[tuple[int, bytes]]) -> Dag:
        """Build like `of` from (key, keys of its inputs as little-endian unsigned 32-bit numbers).

        Raises:
            ValueError: as in `of`, or a packed value's length is no multiple of four.
        """
        keys, start, packed = array("q"), array("i", [0]), bytearray()
        for key, inputs in rows:
            keys.append(key)
            packed += inputs
            start.append(len(packed) >> 2)
            if len(packed) & 3:
                raise ValueError(f"{key}: {len(inputs)} bytes are no row of 32-bit numbers")
        needed = array("I", bytes(packed))
        if sys.byteorder == "big":
            needed.byteswap()
        return cls(*_numbered(keys, start, needed))

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
        """Return the nodes that this one needs directly, in the order in which they were given."""
        return self._inputs[self._inputs_start[node] : self._inputs_start[node + 1]]

    def dependents(self, node: int) -> Sequence[int]:
        """Return the nodes that need this one directly, ascending."""
        if not self._dependents_start:
            self._dependents_start, self._dependents = _inverse(len(self.keys), self._inputs_start, self._inputs)
        return self._dependents[self._dependents_start[node] : self._dependents_start[node + 1]]

    def closure(self, nodes: Iterable[int]) -> bytearray:
        """Return a mask, one byte a node: 1 for these nodes and all they need, directly or not."""
        mask = bytearray(len(self))
        waiting = _marked(mask, nodes)
        while waiting:
            for needed in self.inputs(waiting.pop()):
                if not mask[needed]:
                    mask[needed] = 1
                    waiting.append(needed)
        return mask

    def dependents_closure(self, nodes: Iterable[int]) -> bytearray:
        """Return a mask, one byte a node: 1 for these nodes and all that need them, directly or not."""
        mask = bytearray(len(self))
        waiting = _marked(mask, nodes)
        while waiting:
            for dependent in self.dependents(waiting.pop()):
                if not mask[dependent]:
                    mask[dependent] = 1
                    waiting.append(dependent)
        return mask


def nodes_of(mask: bytes | bytearray) -> Iterator[int]:
    """Iterate over the nodes that a mask marks, ascending."""
    at = mask.find(1)
    while at >= 0:
        yield at
        at = mask.find(1, at + 1)


def _marked(mask: bytearray, nodes: Iterable[int]) -> list[int]:
    marked = list(nodes)
    for node in marked:
        mask[node] = 1
    return marked


def _numbered(keys: array[int], start: array[int], needed: array[int]) -> tuple[array[int], array[int], array[int]]:
    """Turn keys of inputs into numbers of nodes, and check the order."""
    index = {key: node for node, key in enumerate(keys)}
    if any(map(int.__ge__, keys, keys[1:])):
        raise ValueError("keys must ascend")
    try:
        inputs = array("i", map(index.__getitem__, needed))
    except KeyError as missing:
        raise ValueError(f"an input, {missing}, is not among the keys") from None
    begin = 0
    for node in range(len(keys)):
        end = start[node + 1]
        if begin != end and max(inputs[begin:end]) >= node:
            raise ValueError(f"{keys[node]} has an input that is not before it")
        begin = end
    return keys, start, inputs


def _inverse(count: int, start: array[int], targets: array[int]) -> tuple[array[int], array[int]]:
    sizes = [0] * (count + 1)
    for target in targets:
        sizes[target + 1] += 1
    for node in range(count):
        sizes[node + 1] += sizes[node]
    at = sizes[:]
    inverse = array("i", bytes(4 * len(targets)))
    begin = 0
    for node in range(count):
        end = start[node + 1]
        for target in targets[begin:end]:
            inverse[at[target]] = node
            at[target] += 1
        begin = end
    return array("i", sizes), inverse
