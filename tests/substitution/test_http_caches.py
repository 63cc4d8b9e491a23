"""One cache over HTTP, without Nix: what is asked, how often, and what is made of the answers."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import brotli
import pytest
from tests.standins.certificates import certificate

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import BuildPlan
from ekaci_core.nix.substitution_settings import SubstitutionSettings
from ekaci_core.substitution import Patience, Substitution, open_substitution
from ekaci_core.substitution.addresses import parse_address
from ekaci_core.substitution.cache import CacheFailed
from ekaci_core.substitution.http import HttpAccess, HttpCache
from ekaci_core.testing.binary_cache import Asked, CacheServer, Reply

if TYPE_CHECKING:
    from tests.substitution.conftest import Serve

pytestmark = pytest.mark.anyio

QUICK = Patience(attempt_seconds=0.3, lookup_seconds=2, attempts=2, connect_seconds=1)
DRV = DrvPath.parse("0" * 32 + "-it.drv")
LOG = f"log/{DRV.base_name}"


class SetClock:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@asynccontextmanager
async def cache_at(
    url: str, *, clock: SetClock | None = None, patience: Patience = QUICK, certificates: Path | None = None
) -> AsyncIterator[HttpCache]:
    address = parse_address(url)
    assert address is not None
    environment = {"NIX_SSL_CERT_FILE": str(certificates)} if certificates else {}
    access = HttpAccess(environment, connections=8, patience=patience)
    try:
        yield HttpCache(access, address, clock or SetClock())
    finally:
        await access.close()


async def failure(cache: HttpCache, name: str = "file") -> str:
    with pytest.raises(CacheFailed) as caught:
        await cache.get(name)
    return caught.value.reason


def constantly(reply: Reply) -> Callable[[Asked], Reply]:
    return lambda _: reply


async def test_files_are_there_or_not(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    server = serve(tmp_path)
    async with cache_at(server.url) as cache:
        assert [await cache.get("file"), await cache.get("other"), await cache.get("file")] == [b"text", None, b"text"]


@pytest.mark.parametrize("status", [401, 403, 404, 407, 410])
async def test_what_must_not_be_seen_is_absent(serve: Serve, tmp_path: Path, status: int) -> None:
    server = serve(tmp_path)
    server.behave = constantly(Reply(status, b"no"))
    async with cache_at(server.url) as cache:
        assert await cache.get("file") is None
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_asked_again_and_then_unknown(serve: Serve, tmp_path: Path, status: int) -> None:
    server = serve(tmp_path)
    server.behave = constantly(Reply(status))
    async with cache_at(server.url) as cache:
        assert await failure(cache) == f"it answers with status {status}"
    assert len(server.asked) == QUICK.attempts


@pytest.mark.parametrize("status", [206, 304, 400, 418, 501, 505])
async def test_what_will_not_pass_is_unknown_at_once(serve: Serve, tmp_path: Path, status: int) -> None:
    server = serve(tmp_path)
    server.behave = constantly(Reply(status))
    async with cache_at(server.url) as cache:
        assert await failure(cache) == f"it answers with status {status}"
    assert len(server.asked) == 1


async def test_a_cache_that_asks_for_much_time_is_left_alone_for_it(serve: Serve, tmp_path: Path) -> None:
    server, clock = serve(tmp_path), SetClock()
    server.behave = constantly(Reply(429, fields=(("Retry-After", "300"),)))
    async with cache_at(server.url, clock=clock) as cache:
        await failure(cache)
        await failure(cache)
        assert len(server.asked) == 1
        clock.time += 299
        await failure(cache)
        assert len(server.asked) == 1
        clock.time += 1
        server.behave = constantly(Reply(200, b"x"))
        assert await cache.get("file") == b"x"


async def test_a_dead_cache_costs_once(serve: Serve, tmp_path: Path) -> None:
    server, clock = serve(tmp_path), SetClock()
    server.behave = constantly(Reply(hangs=True))
    async with cache_at(server.url, clock=clock) as cache:
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(failure, cache, f"file-{number}")
        asked = len(server.asked)
        assert asked <= 8 * QUICK.attempts
        for number in range(50):
            assert await failure(cache, f"other-{number}") == "it takes too long to answer"
        assert len(server.asked) == asked


async def test_a_server_that_drips_is_not_waited_for(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path)
    server.behave = constantly(Reply(200, b"x" * 100, cut=True))
    async with cache_at(server.url) as cache:
        assert await failure(cache) == "it closes the connection before it has answered"


async def test_connections_are_used_again_and_a_stale_one_is_no_failure(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path)
    replies = {
        "/says": Reply(200, b"a", fields=(("Connection", "close"),)),
        "/leaves": Reply(200, b"b", leaves=True),
    }
    server.behave = lambda asked: replies.get(asked.path, Reply(200, b"c"))
    async with cache_at(server.url, patience=Patience(attempts=1)) as cache:
        names = ("first", "second", "says", "third", "leaves", "fourth")
        assert [await cache.get(name) for name in names] == [b"c", b"c", b"a", b"c", b"b", b"c"]
    assert server.connections == 3


async def test_long_answers_are_not_read(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path)
    server.behave = constantly(Reply(200, b"x" * 1_100_000))
    async with cache_at(server.url) as cache:
        assert "too long" in await failure(cache)
    server.behave = constantly(Reply(200, gzip.compress(bytes(9_000_000)), fields=(("Content-Encoding", "gzip"),)))
    async with cache_at(server.url) as cache:
        assert "too long" in await failure(cache)


async def test_small_files_may_be_packed_too(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path)
    server.behave = constantly(Reply(200, brotli.compress(b"text"), fields=(("Content-Encoding", "br"),)))
    async with cache_at(server.url) as cache:
        assert await cache.get("file") == b"text"


async def test_redirections_in_a_circle_end(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path)
    server.behave = constantly(Reply(302, fields=(("Location", "/again"),)))
    async with cache_at(server.url) as cache:
        assert await failure(cache) == "it redirects too often"


async def test_credentials_are_not_taken_elsewhere(serve: Serve, tmp_path: Path) -> None:
    server, other = serve(tmp_path), serve(tmp_path)
    (tmp_path / "file").write_bytes(b"text")
    server.behave = lambda asked: Reply(
        302, fields=(("Location", other.url.replace("127.0.0.1", "localhost") + asked.path),)
    )
    async with cache_at(server.url.replace("//", "//me:sesame@")) as cache:
        assert await cache.get("file") == b"text"
    assert {each.authorization for each in server.asked} == {"Basic bWU6c2VzYW1l"}
    assert {each.authorization for each in other.asked} == {None}


async def test_a_proxy_is_used(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(tmp_path)
    server.behave = lambda asked: Reply(200, asked.path.encode())
    monkeypatch.setenv("http_proxy", server.url)
    async with cache_at("http://cache.invalid/it") as cache:
        assert await cache.get("file") == b"http://cache.invalid/it/file"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with cache_at(server.url) as cache:
        assert await cache.get("file") == b"/file"


async def test_a_cache_that_refuses_connections_cannot_be_reached(dead_cache: str) -> None:
    async with cache_at(dead_cache) as cache:
        assert await failure(cache) == "it cannot be reached"


async def test_certificates_are_those_that_nix_believes(tmp_path: Path) -> None:
    public, both = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    (tmp_path / "file").write_bytes(b"text")
    with CacheServer(tmp_path, tls=context) as server:
        async with cache_at(server.url, certificates=public) as cache:
            assert await cache.get("file") == b"text"
            async with cache.stream("file") as pieces:
                assert pieces is not None
                assert [piece async for piece in pieces] == [b"text"]
        async with cache_at(server.url) as cache:
            assert "certificate" in await failure(cache)
            with pytest.raises(CacheFailed):
                async with cache.stream("file"):
                    pass


# --- logs ---


@asynccontextmanager
async def substitution_from(*substituters: str) -> AsyncIterator[Substitution]:
    async def nobody(_: object) -> BuildPlan:
        raise AssertionError("Nix is not asked for logs")

    notes: list[str] = []
    async with open_substitution(
        SubstitutionSettings(substituters=substituters, require_sigs=False, download_attempts=1),
        environment={},
        clock=SetClock(),
        ask_nix=nobody,
        note=notes.append,
        patience=QUICK,
    ) as substitution:
        yield substitution


def cache_with_log(folder: Path, log: bytes | None) -> Path:
    (folder / "log").mkdir(parents=True)
    (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
    if log is not None:
        (folder / LOG).write_bytes(log)
    return folder


@pytest.mark.parametrize("encoding", [None, "br", "gzip"])
async def test_logs_come_from_the_first_cache_that_has_them(serve: Serve, tmp_path: Path, encoding: str | None) -> None:
    without = serve(cache_with_log(tmp_path / "a", None))
    having = serve(cache_with_log(tmp_path / "b", b"one\ntwo\n"))
    pack = {"br": brotli.compress, "gzip": gzip.compress}.get(encoding or "")
    if pack is not None:
        reply = Reply(200, pack(b"one\ntwo\n"), fields=(("Content-Encoding", str(encoding)),))
        having.behave = lambda asked: reply if asked.path == f"/{LOG}" else None
    written = bytearray()
    async with substitution_from(without.url, having.url) as substitution:
        fetched = await substitution.fetch_log(DRV, written.extend, limit=100)
    assert bytes(written) == b"one\ntwo\n"
    assert fetched is not None
    assert (fetched.substituter, fetched.size, fetched.cut) == (having.url, 8, False)
    assert f"/{LOG}" in without.paths()


async def test_logs_come_from_folders_too(tmp_path: Path) -> None:
    written = bytearray()
    async with substitution_from(f"file://{cache_with_log(tmp_path / 'a', b'one')}") as substitution:
        fetched = await substitution.fetch_log(DRV, written.extend, limit=100)
    assert (bytes(written), fetched is not None) == (b"one", True)


async def test_a_log_that_unpacks_to_much_is_cut(serve: Serve, tmp_path: Path) -> None:
    server = serve(cache_with_log(tmp_path / "a", None))
    bomb = Reply(200, gzip.compress(bytes(50_000_000)), fields=(("Content-Encoding", "gzip"),))
    server.behave = lambda asked: bomb if asked.path == f"/{LOG}" else None
    sizes: list[int] = []
    async with substitution_from(server.url) as substitution:
        fetched = await substitution.fetch_log(DRV, lambda piece: sizes.append(len(piece)), limit=1_000_000)
    assert fetched is not None
    assert (fetched.size, fetched.cut, sum(sizes)) == (1_000_000, True, 1_000_000)


async def test_a_log_that_nobody_has(serve: Serve, tmp_path: Path) -> None:
    server = serve(cache_with_log(tmp_path / "a", None))
    async with substitution_from(server.url) as substitution:
        assert await substitution.fetch_log(DRV, lambda _: None, limit=100) is None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(200, b"abc", cut=True),
        Reply(200, b"abc", fields=(("Content-Encoding", "zstd"),)),
        Reply(200, gzip.compress(b"abc" * 100)[:-9], fields=(("Content-Encoding", "gzip"),)),
        Reply(200, b"no gzip", fields=(("Content-Encoding", "gzip"),)),
    ],
)
async def test_a_log_that_cannot_be_had_is_told(serve: Serve, tmp_path: Path, reply: Reply) -> None:
    server = serve(cache_with_log(tmp_path / "a", None))
    server.behave = lambda asked: reply if asked.path == f"/{LOG}" else None
    async with substitution_from(server.url) as substitution:
        with pytest.raises(InfrastructureFault, match="the build log could not be fetched"):
            await substitution.fetch_log(DRV, lambda _: None, limit=10_000)


async def test_a_log_may_be_where_nobody_could_ask(dead_cache: str, serve: Serve, tmp_path: Path) -> None:
    server = serve(cache_with_log(tmp_path / "a", b"log"))
    async with substitution_from(dead_cache) as substitution:
        with pytest.raises(InfrastructureFault, match="it cannot be reached"):
            await substitution.fetch_log(DRV, lambda _: None, limit=100)
    async with substitution_from(dead_cache, server.url) as substitution:
        assert await substitution.fetch_log(DRV, lambda _: None, limit=100) is not None


async def test_a_log_that_breaks_off_is_not_continued_with_anothers(serve: Serve, tmp_path: Path) -> None:
    breaking, whole = serve(cache_with_log(tmp_path / "a", None)), serve(cache_with_log(tmp_path / "b", b"other"))
    breaking.behave = lambda asked: Reply(200, b"a log of this length", cut=True) if asked.path == f"/{LOG}" else None
    written = bytearray()
    async with substitution_from(breaking.url, whole.url) as substitution:
        with pytest.raises(InfrastructureFault, match="could not be fetched"):
            await substitution.fetch_log(DRV, written.extend, limit=100)
    assert b"other" not in written
    assert f"/{LOG}" not in whole.paths()
