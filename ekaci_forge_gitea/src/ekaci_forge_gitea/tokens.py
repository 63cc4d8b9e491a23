"""The access token: as it was written, or from a source that is asked again when it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ekaci_core.api import HeldCredentials, Lease, Secret, UsageFault

TOKEN: Final = "GITEA_TOKEN"  # noqa: S105 - its name


class GivenToken:
    """Credentials of a token that stands in the configuration."""

    def __init__(self, token: Secret) -> None:
        self._lease = Lease({TOKEN: token})

    async def resolve(self) -> Lease:
        """Return it."""
        return self._lease

    async def renew(self, refused: Lease | None = None) -> Lease:
        """Return the same: there is no other."""
        del refused
        return self._lease


class Tokens:
    """Gives the token that is good now."""

    def __init__(self, source: HeldCredentials, where: str) -> None:
        """Take the source; ``where`` is its address in the configuration."""
        self._source = source
        self._where = where

    async def lease(self) -> Lease:
        """Return what the source has; errors as of `HeldCredentials`."""
        return await self._source.resolve()

    async def renewed(self, refused: Lease) -> Lease:
        """Return what the source has once it has heard that Gitea refused the token."""
        return await self._source.renew(refused)

    def of(self, lease: Lease) -> Secret:
        """Return the token of a lease.

        Raises:
            UsageFault: it has none.
        """
        found = _named(lease.secrets)
        text = found.reveal().strip() if found else ""
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            what = "the credentials hold no access token" if not text else f"{TOKEN} is no access token"
            raise UsageFault(what, where=self._where, do=f"name a source that yields {TOKEN}")
        return Secret(text)


def _named(secrets: Mapping[str, Secret]) -> Secret | None:
    """A source with one secret needs no name for it."""
    if TOKEN not in secrets and len(secrets) == 1:
        return next(iter(secrets.values()))
    return secrets.get(TOKEN)
