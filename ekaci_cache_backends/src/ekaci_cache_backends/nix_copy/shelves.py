"""What a place of files can do, whichever protocol leads there."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from ekaci_core.api import Lease


class Shelf(Protocol):
    """An open way to the files of a binary cache, with one set of secrets. Every method raises `Trouble`."""

    async def absent(self, names: Collection[str]) -> frozenset[str]:
        """Say which of these narinfos are not there."""
        ...

    async def read(self, name: str) -> bytes | None:
        """Read a small file; None where it is not there."""
        ...

    async def put(self, name: str, file: Path) -> int:
        """Write a file whole or not at all; return how many bytes were sent. Cancellation waits until it has ended."""
        ...

    def cut(self) -> None:
        """Break off everything that goes on, for good."""
        ...


class Shelves(Protocol):
    """A place, closed."""

    @property
    def where(self) -> str:
        """The place in messages, without secrets."""
        ...

    async def check(self) -> None:
        """See whether it may be reached at all, without talking to it.

        Raises:
            UsageFault: it may not.
            InfrastructureFault: its name does not resolve now.
        """
        ...

    async def open(self, lease: Lease) -> Shelf:
        """Open a way there; whether it may be reached is checked anew.

        Raises:
            UsageFault: it may not be reached, or the secrets are no use.
            InfrastructureFault: its name does not resolve now.
        """
        ...
