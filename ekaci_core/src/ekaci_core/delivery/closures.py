"""Closures of outputs, in the order in which caches take them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ekaci_core.model.ids import DrvPath, StorePath

References = Mapping[StorePath, Collection[StorePath]]
"""What each of some paths refers to; others may be among that."""


def in_order(references: References) -> list[StorePath]:
    """Return all of these, what is referred to before what refers to it; a path may refer to itself."""
    order: list[StorePath] = []
    done: set[StorePath] = set()
    for path in sorted(references):
        _visit(path, references, done, order)
    return order


def owners(outputs: Iterable[tuple[StorePath, DrvPath]], references: References) -> dict[StorePath, DrvPath]:
    """Say for whose outputs each path is needed: an output for its own derivation, else for the first that needs it."""
    listed = list(outputs)
    owner = {path: drv for path, drv in listed if path in references}
    seen: set[StorePath] = set()
    for path, drv in listed:
        found: list[StorePath] = []
        if path in references:
            _visit(path, references, seen, found)
        for each in found:
            owner.setdefault(each, drv)
    return owner


def tops(paths: Sequence[StorePath], references: References) -> list[StorePath]:
    """Return those that none of the others refers to: what keeps them alive keeps all."""
    chosen = set(paths)
    below = {each for path in paths for each in references.get(path, ()) if each != path and each in chosen}
    return [path for path in paths if path not in below]


def _visit(start: StorePath, references: References, done: set[StorePath], order: list[StorePath]) -> None:
    """Append what was not done yet of a closure, without recursion: chains have thousands of links."""
    if start in done:
        return
    done.add(start)
    stack = [(start, iter(references[start]))]
    while stack:
        path, rest = stack[-1]
        following = next((each for each in rest if each not in done and each in references), None)
        if following is None:
            order.append(path)
            stack.pop()
        else:
            done.add(following)
            stack.append((following, iter(references[following])))
