"""The only module that knows the HTTP library."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio
import attrs
import httpx

from ekaci_core.api import UsageFault
from ekaci_forge_gitea.faults import ApiFault, TooLong, one_line

_CONNECT_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 15.0
_REQUEST_SECONDS: Final = 25.0
# Small instances are common; what is more waits for its turn.
_CONNECTIONS: Final = 16


@attrs.frozen
class Answer:
    """What came back; names of ``fields`` are in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes


class _Overflow(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Transport:
    """Sends requests. Redirections are not followed: what goes with a request must not go elsewhere."""

    def __init__(self, trust: ssl.SSLContext, *, seconds: float = _REQUEST_SECONDS) -> None:
        """Connect to nothing yet; ``seconds`` are for one request with its whole answer."""
        self._seconds = seconds
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            verify=trust,
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
            raise ApiFault(_phrase(error), where=where, do=_advice(error)) from None

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


def trust_of(ca_file: Path | None, *, where: str) -> ssl.SSLContext:
    """Return the certificates that are believed: those of a file, or the machine's. Reading them takes a while.

    Raises:
        UsageFault: the file cannot be read, or holds none.
    """
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        # Also an error of the library for TLS is one of the system's here.
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
        do = "name a file with certificates in PEM that the server may read"
        raise UsageFault(f"{ca_file}: {one_line(reason)}", where=f"{where}.ca_file", do=do) from None


def _phrase(error: Exception) -> str:
    text = one_line(str(error))
    name = type(error).__name__
    return f"no answer ({name}: {text})" if text else f"no answer ({name})"


def _advice(error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "name the certificates of its authority in ca_file"
    return "see whether the service is well; it is tried again"
