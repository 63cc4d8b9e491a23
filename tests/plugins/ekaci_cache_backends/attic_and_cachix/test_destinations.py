"""What operators write, and what they hear when it cannot be used."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_laboratory import AtticLaboratory
from tests.plugins.ekaci_cache_backends.attic_and_cachix.cachix_laboratory import CachixLaboratory

from ekaci_cache_backends.attic.cache import AtticType
from ekaci_cache_backends.attic.destination import parse_destination
from ekaci_cache_backends.cachix.cache import CachixType
from ekaci_cache_backends.endpoints import Endpoint
from ekaci_core.api import InfrastructureFault, PluginContext, Reach, UsageFault

AT_HOST = Endpoint("https://attic.example.com/", "attic.example.com", 443)


@pytest.mark.parametrize(
    ("destination", "endpoint", "found"),
    [
        ("https://attic.example.com/my-cache", None, ("ekaci:my-cache", AT_HOST)),
        ("https://attic.example.com/my-cache/", None, ("ekaci:my-cache", AT_HOST)),
        (
            "http://attic.example.com:8080/below/team+cache",
            None,
            ("ekaci:team+cache", Endpoint("http://attic.example.com:8080/below/", "attic.example.com", 8080)),
        ),
        (
            "https://[2001:db8::1]:8443/mine",
            None,
            ("ekaci:mine", Endpoint("https://[2001:db8::1]:8443/", "2001:db8::1", 8443)),
        ),
        ("central:my_cache", "https://attic.example.com", ("central:my_cache", AT_HOST)),
        ("central:my_cache", "https://attic.example.com/", ("central:my_cache", AT_HOST)),
    ],
)
def test_both_spellings_of_a_destination(destination: str, endpoint: str | None, found: tuple[str, Endpoint]) -> None:
    parsed = parse_destination(destination, endpoint, where="cache x")
    assert (parsed.reference, parsed.endpoint) == found


@pytest.mark.parametrize(
    ("destination", "endpoint", "hint"),
    [
        ("central:mine", None, "endpoint ="),
        ("https://attic.example.com/mine", "https://attic.example.com", "leave `endpoint` out"),
        ("https://attic.example.com", None, "https://attic.example.com/my-cache"),
        ("https://attic.example.com/", None, "https://attic.example.com/my-cache"),
        ("https://attic.example.com/-mine", None, "https://attic.example.com/my-cache"),
        ("https://attic.example.com/" + "a" * 51, None, "https://attic.example.com/my-cache"),
        ("mine", "https://attic.example.com", "server:my-cache"),
        ("a b:mine", "https://attic.example.com", "server:my-cache"),
        ("central:", "https://attic.example.com", "server:my-cache"),
        ("central:--ignore", "https://attic.example.com", "server:my-cache"),
        ("ftp://attic.example.com/mine", None, "https://cache.example.com"),
        ("https:///mine", None, "https://attic.example.com/my-cache"),
        ("https://attic.example.com:port/mine", None, "https://cache.example.com"),
        ("https://attic.example.com/a?b=c/mine", None, "https://cache.example.com"),
        ("https://attic.example.com\n/mine", None, "https://cache.example.com"),
        ("central:mine", "https://attic.example.com/#x", "https://cache.example.com"),
    ],
)
def test_a_destination_that_is_none_is_told_with_what_to_write(
    destination: str, endpoint: str | None, hint: str
) -> None:
    with pytest.raises(UsageFault) as raised:
        parse_destination(destination, endpoint, where="cache x")
    assert hint in str(raised.value.do)
    assert str(raised.value.where).startswith("cache x: ")


@pytest.mark.parametrize("destination", ["https://me:hunter2@attic.example.com/mine", "https://hunter2@/mine"])
def test_what_stands_before_an_at_is_not_shown(destination: str) -> None:
    with pytest.raises(UsageFault) as raised:
        parse_destination(destination, None, where="cache x")
    assert "hunter2" not in f"{raised.value} {raised.value.do}"


@pytest.mark.parametrize("name", ["", "-x", "--help", "a/b", "a b", "https://x.cachix.org", "ü"])
async def test_a_name_that_is_none_of_cachix_is_refused(cachix: CachixLaboratory, name: str) -> None:
    with pytest.raises(UsageFault, match="no name of a Cachix cache"):
        async with CachixType().open(cachix.config(destination=name), cachix.witness.context):
            pass


async def test_cachix_needs_its_program_and_says_how_to_get_it(
    cachix: CachixLaboratory, nix_environment: dict[str, str]
) -> None:
    cachix.witness.environment = {**nix_environment, "PATH": "/nowhere"}
    with pytest.raises(InfrastructureFault, match="program 'cachix' is not on this machine") as raised:
        async with cachix.open():
            pass
    assert "docs.cachix.org" in str(raised.value.do)


async def test_attic_needs_its_program_only_where_that_is_asked_for(
    attic_over_http: AtticLaboratory, nix_environment: dict[str, str]
) -> None:
    attic_over_http.witness.environment = {**nix_environment, "PATH": "/nowhere"}
    with pytest.raises(InfrastructureFault, match="program 'attic' is not on this machine") as raised:
        async with AtticType().open(attic_over_http.config(push_by="program"), attic_over_http.witness.context):
            pass
    assert 'push_by = "http"' in str(raised.value.do)
    async with AtticType().open(attic_over_http.config(push_by="auto"), attic_over_http.witness.context) as cache:
        assert cache.program is None


async def test_attic_takes_the_program_that_is_there(attic_by_program: AtticLaboratory) -> None:
    async with AtticType().open(attic_by_program.config(push_by="auto"), attic_by_program.witness.context) as cache:
        assert cache.program is not None
    with pytest.raises(UsageFault, match="no way to push"):
        async with AtticType().open(attic_by_program.config(push_by="pigeon"), attic_by_program.witness.context):
            pass


OPENED: list[tuple[str, Any]] = [("attic_over_http", AtticType()), ("cachix", CachixType())]


@pytest.mark.parametrize("name", ["attic_over_http", "cachix"])
async def test_an_address_that_may_not_be_reached_is_refused_at_once(request: pytest.FixtureRequest, name: str) -> None:
    laboratory = request.getfixturevalue(name)
    laboratory.witness.allowed = frozenset()
    with pytest.raises(UsageFault, match=r"127\.0\.0\.1"):
        async with laboratory.open():
            pass
    assert laboratory.server.requests == []


@attrs.frozen
class _Nameless:
    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:
        raise InfrastructureFault(f"it has no address ({port}, {reach})", where=host)


@pytest.mark.parametrize(("name", "kind"), OPENED)
async def test_a_name_that_does_not_resolve_is_a_warning_until_it_is_needed(
    request: pytest.FixtureRequest, name: str, kind: Any
) -> None:
    laboratory = request.getfixturevalue(name)
    context: PluginContext = attrs.evolve(laboratory.witness.context, addresses=_Nameless())
    path = await laboratory.path()
    async with kind.open(laboratory.config(), context) as cache:
        assert [each for each in laboratory.witness.said if each.startswith("cache_host_not_found")]
        with pytest.raises(InfrastructureFault, match="no address"):
            await cache.missing([path])
    assert laboratory.server.requests == []
