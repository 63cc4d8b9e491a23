from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ekaci_core.api import InfrastructureFault, UsageFault
from ekaci_core.web import Readiness, WebServer, web_app

if TYPE_CHECKING:
    from tests.web.conftest import Lines, Serve, Site

SIGNALS = (signal.SIGTERM, signal.SIGINT)
HANDLERS = [signal.getsignal(each) for each in SIGNALS]  # before any server has run

pytestmark = pytest.mark.anyio


class Still:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


async def endless(request: Request) -> Response:
    del request

    async def stream() -> AsyncIterator[bytes]:
        while True:
            yield b"tick\n"
            await anyio.sleep(0.01)

    return StreamingResponse(stream())


async def broken(request: Request) -> Response:
    raise ZeroDivisionError(request.url.path)


async def away(request: Request) -> Response:
    raise InfrastructureFault("the database is locked", where=request.url.path)


async def with_policy(request: Request) -> Response:
    del request
    return PlainTextResponse("page", headers={"content-security-policy": "default-src 'self'"})


async def test_health_and_readiness(serve: Serve) -> None:
    clock = Still()
    said = {"store": "disk full", "forge": ""}

    async def store() -> str:
        return said["store"]

    async def forge() -> str:
        if said["forge"] == "raise":
            raise InfrastructureFault("not open", where="app")
        if said["forge"] == "hang":
            await anyio.sleep_forever()
        return said["forge"]

    ready = Readiness({"store": store, "forge": forge}, clock, check_seconds=0.05)
    async with serve(readiness=ready) as site:
        assert (await site.client.get("/healthz")).json() == {"status": "alive"}
        for forge_says, reasons in (
            ("", {"store": "disk full"}),
            ("raise", {"store": "disk full", "forge": "app: not open"}),
            ("hang", {"store": "disk full", "forge": "no answer within 0.05 s"}),
        ):
            said["forge"] = forge_says
            clock.time += 2
            answer = await site.client.get("/readyz")
            assert (answer.status_code, answer.json()["reasons"]) == (503, reasons)
        said.update(store="", forge="")
        assert (await site.client.get("/readyz")).status_code == 503, "the answer is kept for a moment"
        clock.time += 2
        answer = await site.client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "reasons": {}})
        site.readiness.stop()
        answer = await site.client.get("/readyz")
        assert (answer.status_code, answer.json()["reasons"]) == (503, {"server": "it is stopping"})


async def test_a_fault_is_one_line_for_operators_and_no_inside_for_others(serve: Serve) -> None:
    async with serve(extra=[Route("/broken", broken), Route("/away", away)]) as site:
        answer = await site.client.get("/broken")
        assert (answer.status_code, list(answer.json()), "ZeroDivision" in answer.text) == (500, ["error"], False)
        assert site.log.events == [
            ("request_failed", {"path": "/broken", "reason": "ZeroDivisionError: /broken"}),
        ]
        answer = await site.client.get("/away")
        assert (answer.status_code, answer.headers["retry-after"], "locked" in answer.text) == (503, "30", False)


async def test_a_page_keeps_its_own_policy(serve: Serve) -> None:
    async with serve(extra=[Route("/page", with_policy)]) as site:
        answer = await site.client.get("/page")
        assert answer.headers["content-security-policy"] == "default-src 'self'"
        assert answer.headers["x-frame-options"] == "DENY"


async def test_it_stops_though_a_stream_never_ends(serve: Serve) -> None:
    async with serve(extra=[Route("/endless", endless)]) as site:
        with anyio.fail_after(10):
            async with site.client.stream("GET", "/endless") as answer:
                parts = answer.aiter_bytes()
                assert await anext(parts)
                site.server.stop()
                with pytest.raises(httpx.HTTPError):
                    async for _ in parts:
                        pass


async def test_being_cancelled_stops_it_and_frees_the_port(log: Lines) -> None:
    server = WebServer(web_app([Route("/endless", endless)], log), "127.0.0.1", 0, log=log, grace_seconds=0.1)
    port = server.port
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            await tasks.start(server.run)
            async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", f"{server.url}/endless"):
                tasks.cancel_scope.cancel()
    again = WebServer(web_app([], log), "127.0.0.1", port, log=log)
    async with anyio.create_task_group() as tasks:
        await tasks.start(again.run)
        again.stop()


async def test_signals_stay_ours(site: Site) -> None:
    assert (await site.client.get("/healthz")).status_code == 200
    assert [signal.getsignal(each) for each in SIGNALS] == HANDLERS


async def test_an_address_that_is_taken_or_wrong_is_said_at_once(site: Site, log: Lines) -> None:
    with pytest.raises(UsageFault, match="cannot listen") as caught:
        WebServer(web_app([], log), "127.0.0.1", site.server.port, log=log)
    assert caught.value.where == f"127.0.0.1:{site.server.port}"
    with pytest.raises(UsageFault, match="cannot listen"):
        WebServer(web_app([], log), "no such host.invalid", 0, log=log)


async def test_ipv6(log: Lines) -> None:
    try:
        server = WebServer(web_app([], log), "::1", 0, log=log)
    except UsageFault:
        pytest.skip("this machine has no IPv6")
    assert server.url == f"http://[::1]:{server.port}"
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{server.url}/nothing")).status_code == 404
        server.stop()


async def test_what_is_no_http_is_answered_and_told_in_a_line(site: Site) -> None:
    with anyio.fail_after(10):
        async with await anyio.connect_tcp(site.server.host, site.server.port) as stream:
            await stream.send(b"\x16\x03\x01garbage\r\n\r\n")
            assert (await stream.receive()).startswith(b"HTTP/1.1 400 ")
    assert [event for event, _ in site.log.events] == ["http_server"]
