"""Store paths on command lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ekaci_core.api import StorePath

BATCH_BYTES: Final = 96 * 1024
"""Of paths on one command line: well below what Linux and macOS have for all arguments and the environment."""


def batches(paths: Sequence[StorePath], limit: int = BATCH_BYTES) -> Iterator[Sequence[StorePath]]:
    """Cut paths into command lines, in order."""
    batch: list[StorePath] = []
    length = 0
    for path in paths:
        if batch and length + len(path) >= limit:
            yield batch
            batch, length = [], 0
        batch.append(path)
        length += len(path) + 1
    if batch:
        yield batch
