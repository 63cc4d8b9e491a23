"""Long lists of paths as arguments of several commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

_BYTES: Final = 512 * 1024
"""For one command's arguments. Linux allows 2 MiB as a rule, macOS 1 MiB, and the environment is counted too."""


def chunked(paths: Iterable[str], limit: int = _BYTES) -> Iterator[list[str]]:
    """Split paths, in their order, into lists that each fit one command line; yields nothing for none."""
    some: list[str] = []
    size = 0
    for path in paths:
        size += len(path) + 9  # its end and its pointer
        if some and size > limit:
            yield some
            some, size = [], len(path) + 9
        some.append(path)
    if some:
        yield some
