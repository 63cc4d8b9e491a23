"""What every kind of binary cache can be asked for, and how it says that it cannot answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ekaci_core.substitution.addresses import CacheAddress


class CacheFailed(Exception):
    """A cache did not answer, or not with sense: that says nothing of what it has. ``reason`` is a phrase."""

    def __init__(self, reason: str) -> None:
        """Say why, without anything secret."""
        super().__init__(reason)
        self.reason = reason


class BinaryCache(Protocol):
    """Files by name."""

    @property
    def address(self) -> CacheAddress:
        """Where it is."""
        ...

    async def get(self, name: str) -> bytes | None:
        """Return a small file, None where there is none.

        Raises:
            CacheFailed: nobody knows.
        """
        ...

    def stream(self, name: str) -> AbstractAsyncContextManager[AsyncIterator[bytes] | None]:
        """Open a file that may be long, unpacked by its encoding; None where there is none.

        Raises:
            CacheFailed: nobody knows, or it broke off, or cannot be unpacked; also while it is read.
        """
        ...
