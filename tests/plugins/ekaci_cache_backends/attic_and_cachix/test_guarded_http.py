"""Connections: to the addresses that were checked, and to servers whose certificates are believed."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import attrs
import pytest
from tests.plugins.ekaci_cache_backends.attic_and_cachix.certificates import certificate
from tests.plugins.ekaci_cache_backends.attic_and_cachix.serving import Reply, Request, StandIn

from ekaci_cache_backends.guarded_http import ANSWER_BYTES, guarded_http
from ekaci_core.api import InfrastructureFault, PluginContext, Reach, UsageFault
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.testing.builders import RealClock, SilentLogger

NAME = "cache.example.invalid"


class Greeter(StandIn):
    def answer(self, request: Request) -> Reply:
        return Reply(HTTPStatus.OK, b"x" * (ANSWER_BYTES + 1) if request.path == "/long" else b"well met")


@attrs.frozen
class Guard:
    """Leads every name to these addresses."""

    addresses: tuple[str, ...] = ("127.0.0.1",)

    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:
        assert (host, reach) == (NAME, Reach.PUBLIC)
        assert port
        return self.addresses


def context(guard: Guard, **environment: str) -> PluginContext:
    nix = NixCommands({})
    return PluginContext(clock=RealClock(), log=SilentLogger(), environment=environment, nix=nix, addresses=guard)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a certificate for `NAME`: its address by that name, and the certificate."""
    public, both = certificate(tmp_path, NAME)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    greeter = Greeter()
    with greeter.served(tls):
        yield greeter.address.replace("127.0.0.1", NAME), public


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "NIX_SSL_CERT_FILE"])
async def test_a_certificate_is_that_of_the_name_wherever_it_leads(secure: tuple[str, Path], variable: str) -> None:
    url, public = secure
    async with guarded_http(context(Guard(("127.0.0.2", "127.0.0.1")), **{variable: str(public)}), 5) as http:
        assert (await http.ask("GET", f"{url}/", {})).body == b"well met"


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(secure: tuple[str, Path]) -> None:
    async with guarded_http(context(Guard()), 5) as http:
        with pytest.raises(InfrastructureFault, match="certificate cannot be verified") as raised:
            await http.ask("GET", f"{secure[0]}/", {})
    assert "SSL_CERT_FILE" in str(raised.value.do)


async def test_a_certificate_of_another_name_is_not_believed(tmp_path: Path) -> None:
    public, both = certificate(tmp_path, "other.example.invalid")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    greeter = Greeter()
    with greeter.served(tls):
        url = greeter.address.replace("127.0.0.1", NAME)
        async with guarded_http(context(Guard(), SSL_CERT_FILE=str(public)), 5) as http:
            with pytest.raises(InfrastructureFault, match="certificate cannot be verified"):
                await http.ask("GET", f"{url}/", {})


@pytest.mark.parametrize("content", [None, b"nonsense"])
async def test_a_file_of_authorities_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InfrastructureFault, match="authorities cannot be read") as raised:
        async with guarded_http(context(Guard(), SSL_CERT_FILE=str(file)), 5):
            pass
    assert raised.value.where == str(file)


async def test_a_host_without_addresses_and_an_answer_without_end() -> None:
    greeter = Greeter()
    with greeter.served():
        url = greeter.address.replace("127.0.0.1", NAME)
        async with guarded_http(context(Guard(())), 5) as http:
            with pytest.raises(UsageFault, match="no address"):
                await http.ask("GET", f"{url}/", {})
        async with guarded_http(context(Guard()), 5) as http:
            with pytest.raises(InfrastructureFault, match="too long"):
                await http.ask("GET", f"{url}/long", {})
            assert (await http.ask("GET", f"{url}/", {})).body == b"well met"
