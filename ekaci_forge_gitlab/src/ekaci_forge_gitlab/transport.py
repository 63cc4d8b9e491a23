"""The only module that knows the HTTP library."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Final

import anyio
import attrs
import httpx

from ekaci_core.api import UsageFault
from ekaci_forge_gitlab.faults import ApiFault, one_line

_CONNECT_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 15.0
_REQUEST_SECONDS: Final = 25.0
_CONNECTIONS: Final = 30


@attrs.frozen
class Answer:
    """What came back; names of ``fields`` are in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes


class TooLong(ApiFault):
    """The answer is longer than it may be."""


class _Overflow(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Transport:
    """Sends requests. Redirections are not followed: what goes with a request must not go elsewhere."""

    def __init__(self, trust: ssl.SSLContext | None = None, *, seconds: float = _REQUEST_SECONDS) -> None:
        """Connect to nothing yet.

        Args:
            trust: the certificates to believe; those of the machine where it is None.
            seconds: for one request with its whole answer.
        """
        self._seconds = seconds
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            verify=trust or _trust(),
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            timeout=httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS, pool=_REQUEST_SECONDS),
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def send(
        self, method: str, url: str, fields: Mapping[str, str], body: bytes, *, most_bytes: int, where: str
    ) -> Answer:
        """Send one request and read the answer.

        Raises:
            TooLong: the answer has more than ``most_bytes``.
            ApiFault: there was no answer, or not a whole one in time; the request may have been obeyed.
        """
        try:
            with anyio.fail_after(self._seconds):
                return await self._send(method, url, fields, body, most_bytes)
        except TimeoutError:
            raise ApiFault(f"no answer within {self._seconds:.0f} seconds", where=where) from None
        except _Overflow as error:
            raise TooLong(f"the answer has more than {most_bytes} bytes", status=error.status, where=where) from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            # The library's exception carries the request, and with it the token: it must not stay in the chain.
            raise ApiFault(_phrase(error), where=where) from None

    async def _send(self, method: str, url: str, fields: Mapping[str, str], body: bytes, most_bytes: int) -> Answer:
        async with self._client.stream(method, url, headers=dict(fields), content=body) as response:
            pieces: list[bytes] = []
            size = 0
            async for piece in response.aiter_bytes():
                size += len(piece)
                if size > most_bytes:
                    raise _Overflow(response.status_code)
                pieces.append(piece)
            answered = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, answered, b"".join(pieces))


def trust_in(ca_file: str, where: str) -> ssl.SSLContext:
    """Believe the certificates of a file, and those that the machine believes.

    Raises:
        UsageFault: it cannot be read, or holds none.
    """
    trust = ssl.create_default_context()
    try:
        trust.load_verify_locations(ca_file)
    except OSError as error:  # what is wrong with certificates is one of these, too
        reason = "it holds no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageFault(f"{ca_file} cannot be used: {reason}", where=where, do="name a file in PEM") from None
    return trust


@cache
def _trust() -> ssl.SSLContext:
    """The certificates that the machine believes; reading them takes a while."""
    return ssl.create_default_context()


def _phrase(error: Exception) -> str:
    text = one_line(str(error))
    name = type(error).__name__
    return f"no answer ({name}: {text})" if text else f"no answer ({name})"
