"""The only module that knows the HTTP library. Importing it takes a while, so that it is left until it is needed."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import attrs
import httpx

from ekaci_core.substitution.cache import CacheFailed
from ekaci_core.substitution.lanes import Broken

_REDIRECTIONS: Final = 5


@attrs.frozen
class Opened:
    """An answer that can still be read; names of ``fields`` are lower case, ``raw`` is as it came."""

    status: int
    fields: Mapping[str, str]
    raw: AsyncIterator[bytes]


class Library:
    """Asks through proxies, follows redirections, and reads what is long piece by piece."""

    def __init__(
        self, tls: ssl.SSLContext, fields: Mapping[str, str], *, connections: int, seconds: float, connect: float
    ) -> None:
        """Connect to nothing yet.

        Args:
            tls: whose certificates are believed.
            fields: go with every request.
            connections: at most.
            seconds: between two signs of life of a server.
            connect: seconds for a connection.
        """
        # It logs addresses, and these may hold what is secret.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            verify=tls,
            headers=fields,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            timeout=httpx.Timeout(seconds, connect=connect, pool=None),
            follow_redirects=True,
            max_redirects=_REDIRECTIONS,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def opened(self, url: str, credentials: tuple[str, str] | None) -> AsyncIterator[Opened]:
        """Ask, and yield the answer while it can be read. Credentials go to the address's own host only.

        Raises:
            Broken: the connection failed; also while it is read.
            CacheFailed: asking again would not help.
        """
        auth = httpx.BasicAuth(*credentials) if credentials else None
        try:
            response = await self._client.send(self._client.build_request("GET", url), auth=auth, stream=True)
        except httpx.TransportError as error:
            raise Broken(_phrase(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CacheFailed(_phrase(error)) from None
        try:
            fields = {name.lower(): value for name, value in response.headers.items()}
            yield Opened(response.status_code, fields, _raw(response))
        finally:
            await response.aclose()


async def _raw(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in response.aiter_raw():
            yield piece
    except httpx.TransportError as error:
        raise Broken(_phrase(error)) from None


def _phrase(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it takes too long to answer"
    if isinstance(error, httpx.ConnectError):
        return "it cannot be reached"
    if isinstance(error, httpx.TooManyRedirects):
        return "it redirects too often"
    return f"the connection failed ({type(error).__name__})"
