"""Who is using the cache: a lock that reviews share, so that one that cleans up knows that it is alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

import anyio
import attrs

from ekaci_core.model.errors import InfrastructureFault

_POLL_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 60.0


@attrs.frozen
class Occupancy:
    """A share of the cache. The kernel takes it back from whoever is killed."""

    _descriptor: int

    @classmethod
    @asynccontextmanager
    async def of(cls, path: Path) -> AsyncIterator[Self]:
        """Hold a share while the context is open; waits while somebody who is alone cleans up.

        Raises:
            InfrastructureFault: the lock cannot be made, or somebody has been alone for a minute.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InfrastructureFault(
                f"the lock of the cache cannot be made ({error.strerror})",
                where=str(path),
                do="Check the free space and the permissions of this directory.",
            ) from error
        try:
            with anyio.move_on_after(_PATIENCE_SECONDS) as waiting:
                while not _locked(descriptor, fcntl.LOCK_SH):  # noqa: ASYNC110 - the kernel tells nobody
                    await anyio.sleep(_POLL_SECONDS)
            if waiting.cancelled_caught:
                raise InfrastructureFault(
                    "another review has been cleaning up for a minute",
                    where=str(path),
                    do="Wait for it to end, or see whether it is stopped.",
                )
            yield cls(descriptor)
        finally:
            os.close(descriptor)

    def become_alone(self) -> bool:
        """Keep all others out until the context closes; False if somebody is in, and the share may be lost then."""
        return _locked(self._descriptor, fcntl.LOCK_EX)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
