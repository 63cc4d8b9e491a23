"""A binary cache in a folder: ``file://``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ekaci_core.nix.narinfo import NARINFO_BYTES
from ekaci_core.substitution.addresses import CacheAddress
from ekaci_core.substitution.cache import CacheFailed
from ekaci_core.substitution.decoding import PIECE_BYTES

# A folder becomes a cache when Nix first writes to it; until then it is an empty one.
_OF_ITSELF: Final = "nix-cache-info"


class FolderCache:
    """Reads files; they are small and near, so that no thread is started for them."""

    def __init__(self, address: CacheAddress, folder: Path) -> None:
        """Read below ``folder``."""
        self.address = address
        self._folder = folder

    async def get(self, name: str) -> bytes | None:
        """See `BinaryCache`."""
        try:
            with (self._folder / name).open("rb") as file:
                data = file.read(NARINFO_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return b"" if name == _OF_ITSELF else None
        except OSError as error:
            raise CacheFailed(f"{name} cannot be read ({error.strerror})") from None
        if len(data) > NARINFO_BYTES:
            raise CacheFailed(f"{name} is too long")
        return data

    @asynccontextmanager
    async def stream(self, name: str) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """See `BinaryCache`."""
        try:
            file = (self._folder / name).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        except OSError as error:
            raise CacheFailed(f"{name} cannot be read ({error.strerror})") from None

        async def pieces() -> AsyncIterator[bytes]:
            while piece := file.read(PIECE_BYTES):
                yield piece

        with file:
            yield pieces()
