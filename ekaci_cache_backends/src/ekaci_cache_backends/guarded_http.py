"""HTTP to addresses that were checked, and to no others.

The library opens every connection through `_Guarded`, which resolves the name and connects to one of the addresses that
the guard returned: nothing is resolved twice. TLS goes on verifying the name. Redirections are answers like any other.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import attrs
import httpcore

from ekaci_core.api import AddressGuard, InfrastructureFault, PluginContext, Secret, UsageFault

ANSWER_BYTES: Final = 32 * 1024 * 1024
"""The longest answer that is read."""
CONNECT_SECONDS: Final = 15.0
_CONNECTIONS: Final = 8

_LIBRARY: Final = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError, ssl.SSLError)
_TROUBLES: Final[Mapping[type[Exception], str]] = {
    httpcore.ConnectTimeout: "it cannot be reached in time",
    httpcore.ConnectError: "it cannot be reached",
    httpcore.TimeoutException: "it takes too long to answer",
    Exception: "the connection failed",
}


@attrs.frozen
class Answer:
    """What a server answered; names of ``fields`` are lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body)

    @property
    def retry_after_seconds(self) -> float | None:
        """How long the server asks to be left alone, where it says so in seconds."""
        said = self.fields.get("retry-after", "")
        return float(said) if said.isdecimal() else None


@attrs.frozen
class GuardedHttp:
    """Asks over connections that are used again, and waits so long for a sign of life."""

    _pool: httpcore.AsyncConnectionPool
    _silence_seconds: float

    async def ask_json(self, method: str, url: str, content: object, token: Secret | None) -> Answer:
        """Ask as `ask` does, with JSON and a bearer's token."""
        fields = {"Content-Type": "application/json", "Accept": "application/json", **bearer(token)}
        return await self.ask(method, url, fields, None if content is None else json.dumps(content).encode())

    async def ask(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str],
        content: bytes | AsyncIterator[bytes] | None = None,
    ) -> Answer:
        """Ask once, and read the whole answer, whatever its status.

        Args:
            method: of HTTP.
            url: an absolute address.
            fields: what else the request says; its length, where ``content`` is not at hand as a whole.
            content: the body.

        Raises:
            InfrastructureFault: nobody answers, or not to the end.
            UsageFault: the address is not allowed, or what is sent cannot be sent.
        """
        patience = self._silence_seconds
        timeout = {"connect": min(CONNECT_SECONDS, patience), "read": patience, "write": patience, "pool": None}
        try:
            async with self._pool.stream(
                method, url, headers=list(fields.items()), content=content, extensions={"timeout": timeout}
            ) as response:
                return await _read(response, url)
        except _LIBRARY as error:
            raise _fault_of(error, url) from None
        except httpcore.LocalProtocolError:
            raise UsageFault("the request cannot be sent as it is", where=url, do="see how the address is") from None


def bearer(token: Secret | None) -> dict[str, str]:
    """Return the field that shows a token.

    Raises:
        UsageFault: no token has such characters.
    """
    if token is None:
        return {}
    text = token.reveal().strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UsageFault(
            "the token holds characters that no token has", where="credentials", do="see what the source gives"
        )
    return {"Authorization": f"Bearer {text}"}


def _fault_of(error: Exception, url: str) -> InfrastructureFault:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return InfrastructureFault(
            "its certificate cannot be verified",
            where=url,
            do="name a file with its authority in SSL_CERT_FILE, where the server is started",
        )
    said = next(each for kind, each in _TROUBLES.items() if isinstance(error, kind))
    return InfrastructureFault(said, where=url, do="see whether it is up; it is tried again")


@asynccontextmanager
async def guarded_http(context: PluginContext, silence_seconds: float) -> AsyncIterator[GuardedHttp]:
    """Open a client; certificates are believed as the environment says, in the words of OpenSSL and Nix.

    Raises:
        InfrastructureFault: the file of authorities cannot be read.
    """
    pool = httpcore.AsyncConnectionPool(
        ssl_context=_believing(context.environment),
        max_connections=_CONNECTIONS,
        keepalive_expiry=60,
        network_backend=_Guarded(context.addresses),
    )
    async with pool:
        yield GuardedHttp(pool, silence_seconds)


def _believing(environment: Mapping[str, str]) -> ssl.SSLContext:
    authorities = environment.get("NIX_SSL_CERT_FILE") or environment.get("SSL_CERT_FILE") or None
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:  # those of TLS are among them
        raise InfrastructureFault(
            f"the file of authorities cannot be read: {error.strerror or error}",
            where=authorities,
            do="set SSL_CERT_FILE to a file of certificates in PEM, where the server is started",
        ) from None


async def _read(response: httpcore.Response, url: str) -> Answer:
    fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    body = bytearray()
    async for piece in response.aiter_stream():
        body += piece
        if len(body) > ANSWER_BYTES:
            raise InfrastructureFault("its answer is too long", where=url, do="see whether that is the cache")
    return Answer(response.status, fields, bytes(body))


class _Guarded(httpcore.AsyncNetworkBackend):
    def __init__(self, addresses: AddressGuard) -> None:
        self._addresses = addresses
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's contract
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await self._addresses.resolve(host, port)
        if not found:
            raise UsageFault("it has no address that may be reached", where=host, do="write another")
        for address in found[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(found[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)
