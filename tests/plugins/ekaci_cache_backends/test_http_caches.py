"""Binary caches over HTTP: the contract, against a real server that checks what it gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import anyio.to_thread
import attrs
import pytest
from tests.plugins.ekaci_cache_backends.conftest import KeyPair
from tests.plugins.ekaci_cache_backends.http_server import HttpCache
from tests.plugins.ekaci_cache_backends.workshop import Workshop, whole_paths
from tests.standins.certificates import certificate

from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_core.api import Cache, CredentialUse, Pushed, PushFailed, PushRequest, StorePath
from ekaci_core.testing.cache_laboratory import CacheLaboratory, Trouble
from ekaci_core.testing.cache_witness import CacheWitness
from ekaci_core.testing.caches import CacheConformance

pytestmark = [pytest.mark.anyio, pytest.mark.nix]

TOKENS = ("canary-token-of-yesterday", "canary-token-of-today")


@attrs.frozen
class HttpLaboratory:
    """A server that wants a token, and behaves as told."""

    witness: CacheWitness
    workshop: Workshop
    server: HttpCache
    troubles: frozenset[Trouble] = frozenset(Trouble)
    says_order: bool = True

    def config(self, **more: object) -> NixCopyConfig:
        values = {"id": "http", "destination": self.server.url, "timeout_seconds": 2, **more}
        return NixCopyConfig(credentials=CredentialUse("token"), signing_key=CredentialUse("key"), **values)  # type: ignore[arg-type]

    def open(self) -> AbstractAsyncContextManager[Cache]:
        return NixCopyType().open(self.config(), self.witness.context)

    async def path(self, *references: StorePath) -> StorePath:
        return await self.workshop.path(*references)

    async def held(self) -> Sequence[StorePath]:
        assert self.server.faults == []
        assert sorted(whole_paths(self.server.folder)) == sorted(self.server.arrived)
        return self.server.arrived

    async def make(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.UNREACHABLE:
                self.server.stop()
            case Trouble.EXPIRED:
                self.server.accepted = frozenset({f"Bearer {TOKENS[1]}"})
            case Trouble.DENIED:
                self.server.accepted = frozenset()
            case _:
                self.server.trouble = trouble


@pytest.fixture
def http_laboratory(workshop: Workshop, key_pair: KeyPair, tmp_path: Path) -> Iterator[HttpLaboratory]:
    leases = {"token": [{"HTTP_TOKEN": each} for each in TOKENS], "key": [{"NIX_SIGNING_KEY": key_pair.secret}]}
    accepted = frozenset(f"Bearer {each}" for each in TOKENS)
    with HttpCache(tmp_path / "cache", accepted) as server:
        yield HttpLaboratory(CacheWitness(workshop.environment, leases=leases), workshop, server)


class TestHttp(CacheConformance):
    @pytest.fixture
    async def laboratory(self, http_laboratory: HttpLaboratory) -> CacheLaboratory:
        return http_laboratory


async def push(laboratory: HttpLaboratory, config: NixCopyConfig, *paths: StorePath) -> dict[StorePath, object]:
    async with NixCopyType().open(config, laboratory.witness.context) as cache:
        return dict(await cache.push(PushRequest(paths, laboratory.witness.write_log)))


async def test_a_busy_server_says_when_to_come_back(http_laboratory: HttpLaboratory) -> None:
    await http_laboratory.make(Trouble.BROKEN)
    path = await http_laboratory.path()
    outcome = (await push(http_laboratory, http_laboratory.config(), path))[path]
    assert isinstance(outcome, PushFailed)
    assert (outcome.transient, outcome.retry_after_seconds) == (True, 7)


async def test_secrets_do_not_follow_a_redirect_to_another_host(
    http_laboratory: HttpLaboratory, tmp_path: Path
) -> None:
    path = await http_laboratory.path()
    with HttpCache(tmp_path / "other") as other:
        http_laboratory.server.redirect = f"{other.url}/{{}}"
        outcome = (await push(http_laboratory, http_laboratory.config(), path))[path]
        assert isinstance(outcome, PushFailed)
        assert "redirects to another place" in outcome.reason
        assert not outcome.transient
        assert other.asked == []


async def test_a_server_without_head_is_asked_by_get(http_laboratory: HttpLaboratory) -> None:
    http_laboratory.server.heads = False
    path = await http_laboratory.path()
    async with http_laboratory.open() as cache:
        await cache.push(PushRequest([path], lambda _: None))
        assert await cache.missing([path]) == frozenset()


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(
    http_laboratory: HttpLaboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, both = certificate(tmp_path)
    path = await http_laboratory.path()
    with HttpCache(tmp_path / "safe", tls=both) as server:
        config = http_laboratory.config(destination=server.url)
        failed = (await push(http_laboratory, config, path))[path]
        assert isinstance(failed, PushFailed)
        assert not failed.transient
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert isinstance((await push(http_laboratory, config, path))[path], Pushed)


@pytest.mark.parametrize("is_safe", [False, True])
async def test_a_push_that_is_given_up_does_not_wait_for_a_silent_server(
    http_laboratory: HttpLaboratory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_safe: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    authority, both = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    path = await http_laboratory.path()
    with HttpCache(tmp_path / "silent", tls=both if is_safe else None) as server:
        server.trouble = Trouble.HANGING
        config = http_laboratory.config(destination=server.url, timeout_seconds=3600)
        with anyio.fail_after(60):
            async with (
                NixCopyType().open(config, http_laboratory.witness.context) as cache,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(cache.push, PushRequest([path], http_laboratory.witness.write_log))
                assert await anyio.to_thread.run_sync(server.hangs.wait, 30)
                tasks.cancel_scope.cancel()
