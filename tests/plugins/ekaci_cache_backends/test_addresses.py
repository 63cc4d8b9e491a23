"""Where connections go: to addresses that were checked, at opening and at each use, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import attrs
import pytest
from tests.plugins.ekaci_cache_backends.http_server import HttpCache
from tests.plugins.ekaci_cache_backends.workshop import Workshop

from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.destination import S3Place
from ekaci_cache_backends.nix_copy.http_secrets import authorization
from ekaci_cache_backends.nix_copy.lines import Lines
from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_cache_backends.nix_copy.s3_client import host_of
from ekaci_core.api import (
    InfrastructureFault,
    Lease,
    PluginContext,
    Pushed,
    PushFailed,
    PushRequest,
    Reach,
    Secret,
    UsageFault,
)
from ekaci_core.testing.cache_witness import CacheWitness

pytestmark = [pytest.mark.anyio, pytest.mark.nix]


@attrs.define
class Names:
    """Says what a name means, and that changes."""

    meanings: list[str | Exception]
    asked: list[str] = attrs.field(factory=list)

    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:
        del reach
        self.asked.append(f"{host}:{port}")
        meaning = self.meanings.pop(0) if len(self.meanings) > 1 else self.meanings[0]
        if isinstance(meaning, Exception):
            raise meaning
        return (meaning,)


REFUSED = UsageFault("169.254.169.254 is not allowed", where="cache.test", do="choose another")


def context(workshop: Workshop, names: Names) -> PluginContext:
    return attrs.evolve(CacheWitness(workshop.environment).context, addresses=names)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpCache]:
    with HttpCache(tmp_path / "cache") as running:
        yield running


def named(server: HttpCache) -> str:
    """The server by a name that nobody else knows."""
    return server.url.replace("127.0.0.1", "cache.test")


@pytest.mark.parametrize(
    "destination",
    ["http://cache.test", "https://cache.test", "s3://b?endpoint=http://cache.test", "s3://b", "ssh://cache.test"],
)
async def test_what_may_not_be_reached_is_not_opened(workshop: Workshop, destination: str) -> None:
    names = Names([REFUSED])
    with pytest.raises(UsageFault, match="not allowed"):
        async with NixCopyType().open(NixCopyConfig(id="c", destination=destination), context(workshop, names)):
            pass
    assert len(names.asked) == 1


async def test_a_name_is_asked_for_where_it_was_checked_and_not_again(workshop: Workshop, server: HttpCache) -> None:
    names = Names(["127.0.0.1"])
    path = await workshop.path()
    async with NixCopyType().open(NixCopyConfig(id="c", destination=named(server)), context(workshop, names)) as cache:
        assert isinstance((await cache.push(PushRequest([path], lambda _: None)))[path], Pushed)
    assert names.asked == [f"cache.test:{urlsplit(server.url).port}"] * 2
    assert server.arrived == [path]


async def test_a_name_that_changes_its_mind_is_not_followed(workshop: Workshop, server: HttpCache) -> None:
    names = Names(["127.0.0.1", REFUSED])
    path = await workshop.path()
    async with NixCopyType().open(NixCopyConfig(id="c", destination=named(server)), context(workshop, names)) as cache:
        failed = (await cache.push(PushRequest([path], lambda _: None)))[path]
        assert isinstance(failed, PushFailed)
        assert not failed.transient
        with pytest.raises(UsageFault, match="not allowed"):
            await cache.missing([path])
    assert server.asked == []


async def test_a_name_that_does_not_resolve_yet_may_do_so_later(workshop: Workshop, server: HttpCache) -> None:
    unknown = InfrastructureFault("the name does not resolve", where="cache.test", do="wait")
    names = Names([unknown, unknown, "127.0.0.1"])
    path = await workshop.path()
    async with NixCopyType().open(NixCopyConfig(id="c", destination=named(server)), context(workshop, names)) as cache:
        failed = (await cache.push(PushRequest([path], lambda _: None)))[path]
        assert isinstance(failed, PushFailed)
        assert failed.transient
        assert isinstance((await cache.push(PushRequest([path], lambda _: None)))[path], Pushed)


@pytest.mark.parametrize(
    ("place", "host"),
    [
        (S3Place(bucket="b-1", region="eu-north-1"), ("b-1.s3.eu-north-1.amazonaws.com", 443)),
        (S3Place(bucket="b-1", region="eu-north-1", scheme="http"), ("b-1.s3.eu-north-1.amazonaws.com", 80)),
        (S3Place(bucket="b-1", endpoint="http://minio.test:9000"), ("minio.test", 9000)),
        (S3Place(bucket="b-1", endpoint="https://minio.test"), ("minio.test", 443)),
    ],
)
def test_the_host_of_a_bucket_is_known_without_asking(place: S3Place, host: tuple[str, int]) -> None:
    assert host_of(place) == host


def test_lines_lead_nowhere_else() -> None:
    lines = Lines({("cache.test", 80): ("127.0.0.1",)})
    for host, port in (("cache.test", 81), ("other.test", 80), ("127.0.0.1", 80)):
        with pytest.raises(PermissionError, match="not where this cache is"):
            lines.connect(host, port, 1, ())


@pytest.mark.parametrize(
    ("secrets", "header"),
    [
        ({}, None),
        ({"HTTP_TOKEN": "t"}, "Bearer t"),
        ({"HTTP_USERNAME": "ci", "HTTP_PASSWORD": "p"}, "Basic Y2k6cA=="),
        ({"NETRC": "machine other login a password b\nmachine cache.test\n login ci password p"}, "Basic Y2k6cA=="),
    ],
)
def test_who_asks_is_told(secrets: dict[str, str], header: str | None, tmp_path: Path) -> None:
    lease = Lease(MappingProxyType({name: Secret(value) for name, value in secrets.items()}))
    found = {name.lower(): value for name, value in authorization(lease, "cache.test", tmp_path, "c").items()}
    assert found.get("authorization") == header
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "secrets",
    [
        {"CACHIX_AUTH_TOKEN": "canary"},
        {"NETRC": "machine other login canary password canary"},
        {"NETRC": "canary x"},
        {"HTTP_TOKEN": "canary\nsecond"},
    ],
)
def test_secrets_that_are_no_use_are_named_and_not_shown(secrets: dict[str, str], tmp_path: Path) -> None:
    lease = Lease({name: Secret(value) for name, value in secrets.items()})
    with pytest.raises(UsageFault) as raised:
        authorization(lease, "cache.test", tmp_path, "cache c")
    assert raised.value.where == "cache c"
    assert "canary" not in f"{raised.value} {raised.value.do}"
