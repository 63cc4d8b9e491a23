"""The access token, renewed when it expires or is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import anyio

from ekaci_core.api import HeldCredentials, Lease, Secret, UsageFault

TOKEN: Final = "GITLAB_TOKEN"  # noqa: S105 - the name of a secret, not one


class GivenToken:
    """A token that stands in the table itself."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    async def resolve(self) -> Lease:
        """Return it."""
        return Lease({TOKEN: self._token})

    async def renew(self, refused: Lease | None = None) -> Lease:
        """Return it: there is no other."""
        del refused
        return await self.resolve()


class Tokens:
    """The token as its source yields it now."""

    def __init__(self, source: HeldCredentials, where: str) -> None:
        """Take the open source; ``where`` is the table's address in the configuration."""
        self._source = source
        self._where = where
        self._lock = anyio.Lock()
        self._lease: Lease | None = None

    async def token(self) -> Secret:
        """Return the token; what the source has kept is not read again.

        Raises:
            UsageFault: the source yields no token.
            InfrastructureFault: it cannot be reached, and nothing older is valid.
        """
        async with self._lock:
            self._lease = await self._source.resolve()
            return token_of(self._lease.secrets, self._where)

    async def renew(self, refused: Secret) -> Secret:
        """Read anew after GitLab refused a token; errors as for `token`."""
        async with self._lock:
            lease = self._lease
            if lease is None or token_of(lease.secrets, self._where) != refused:
                lease = await self._source.resolve()
            else:
                lease = await self._source.renew(lease)
            self._lease = lease
            return token_of(lease.secrets, self._where)


def token_of(secrets: Mapping[str, Secret], where: str) -> Secret:
    """Return the token of what a source yields: the one of that name, or the only one.

    Raises:
        UsageFault: there is none that can be sent; nothing of it is in the message.
    """
    found = secrets.get(TOKEN)
    if found is None and len(secrets) == 1:
        (found,) = secrets.values()
    if found is None:
        raise UsageFault(f"the credentials hold no {TOKEN}", where=where, do=f"name a source that yields {TOKEN}")
    text = found.reveal().strip()
    if not text:
        raise UsageFault(f"{TOKEN} is empty", where=where, do="make an access token at GitLab")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UsageFault(f"{TOKEN} is no token", where=where, do="copy it from GitLab as it is shown, in one line")
    return Secret(text)
