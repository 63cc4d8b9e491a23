from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ekaci_core.api import InfrastructureFault, Ping, Received, Refused, WebhookRequest
from ekaci_core.testing.scripted_forge import ScriptedForge, delivery_headers, payload_of
from ekaci_core.web.bodies import LARGEST_BYTES, BodyRoom

if TYPE_CHECKING:
    from tests.web.conftest import Serve, Site

pytestmark = pytest.mark.anyio

PATH = "/scripted/webhook"
BODY = payload_of(Ping())
SECRET, OTHER = "secret", "two"  # they protect nothing


def signed(name: str = "d1", body: bytes = BODY, secret: str = SECRET) -> dict[str, Any]:
    return {"content": body, "headers": delivery_headers(name, body, secret)}


async def raw(site: Site, request: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    answer = b""
    with anyio.fail_after(20):
        async with await anyio.connect_tcp(site.server.host, site.server.port) as stream:
            await stream.send(request)
            async for chunk in stream:
                answer += chunk
    return answer


def refusals(site: Site) -> list[tuple[object, object]]:
    return [(fields["status"], fields["reason"]) for event, fields in site.log.events if event == "webhook_refused"]


async def test_a_delivery_is_stored_before_it_is_acknowledged(site: Site) -> None:
    answer = await site.client.post(PATH, **signed())
    assert (answer.status_code, answer.json()) == (202, {"delivery": "d1", "new": True})
    (pending,) = await site.store.pending_deliveries(limit=9)
    assert (pending.forge, pending.instance, pending.name, pending.payload) == ("scripted", "app0", "d1", BODY)
    assert len(site.news) == 1
    assert site.log.events == [
        (
            "webhook",
            {
                "forge": "scripted",
                "instance": "app0",
                "delivery": "d1",
                "kind": "event",
                "bytes": len(BODY),
                "new": True,
            },
        )
    ]


async def test_the_same_delivery_again_is_acknowledged_and_not_stored(site: Site) -> None:
    await site.client.post(PATH, **signed())
    again = await site.client.post(PATH, **signed())
    assert (again.status_code, again.json()) == (200, {"delivery": "d1", "new": False})
    assert len(await site.store.pending_deliveries(limit=9)) == 1
    assert len(site.news) == 1


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (delivery_headers("d1", BODY, "other"), BODY, 401),
        (delivery_headers("d1", BODY, "secret"), BODY + b" ", 401),
        ({}, BODY, 401),
        (delivery_headers("", BODY, "secret"), BODY, 400),
        (delivery_headers("d1", BODY, "secret", kind=""), BODY, 400),
        (delivery_headers("d1", b"\xff{", "secret"), b"\xff{", 400),
        (delivery_headers("d1", b"", "secret"), b"", 400),
        (delivery_headers("d1", b"null", "secret"), b"null", 400),
        (delivery_headers("d1", b"[]", "secret"), b"[]", 400),
        (delivery_headers("d" * 201, BODY, "secret"), BODY, 400),
        (delivery_headers("d\x85", BODY, "secret"), BODY, 400),
    ],
)
async def test_what_is_wrong_is_refused_with_one_line_and_nothing_stored(
    site: Site, headers: dict[str, str], body: bytes, status: int
) -> None:
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    answer = await site.client.post(PATH, content=body, headers=encoded)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert len(site.log.events) == 1
    assert not await site.store.deliveries()
    assert not site.news


async def test_what_is_stored_though_nobody_understands_it(site: Site) -> None:
    """Names are judged when the delivery is handled, by who knows the forge; here it is only kept."""
    for number, text in enumerate(('{"ref": "-x"}', '{"repository": "../.."}', '{"comment": "\\u001b[31m"}', "{}")):
        answer = await site.client.post(PATH, **signed(f"d{number}", text.encode()))
        assert answer.status_code == 202
    assert len(site.log.events) == 4


async def test_other_methods_and_paths(site: Site) -> None:
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        answer = await site.client.request(method, PATH)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert (await site.client.post(f"{PATH}/", **signed())).status_code == 404
    assert (await site.client.get("/nothing")).json() == {"error": "Not Found"}
    assert not site.log.events


async def test_a_type_without_an_instance_is_not_served_now(site: Site) -> None:
    answer = await site.client.post("/empty/webhook", **signed())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


async def test_while_stopping_nothing_is_taken(site: Site) -> None:
    site.readiness.stop()
    answer = await site.client.post(PATH, **signed())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert not await site.store.deliveries()
    assert (await site.client.get("/readyz")).status_code == 503
    assert (await site.client.get("/healthz")).status_code == 200


async def test_the_first_instance_that_believes_it_takes_it(serve: Serve) -> None:
    async with serve(ScriptedForge(None), ScriptedForge("one"), ScriptedForge(OTHER), ScriptedForge(OTHER)) as site:
        assert (await site.client.post(PATH, **signed("d1", secret=OTHER))).status_code == 202
        (pending,) = await site.store.pending_deliveries(limit=9)
        assert pending.instance == "app2"


@pytest.mark.parametrize(
    ("secrets", "status"), [((None,), 503), ((None, "one"), 401), (("one", None), 401), (("one", "two"), 401)]
)
async def test_the_most_telling_refusal_is_the_answer(
    serve: Serve, secrets: tuple[str | None, ...], status: int
) -> None:
    async with serve(*map(ScriptedForge, secrets)) as site:
        answer = await site.client.post(PATH, **signed())
        assert answer.status_code == status
        assert ("retry-after" in answer.headers) == (status == 503)
        assert len(site.log.events) == 1
    async with serve(*map(ScriptedForge, secrets), ScriptedForge()) as site:
        assert (await site.client.post(PATH, **signed("", BODY))).status_code == 400


class Broken(ScriptedForge):
    def receive(self, request: WebhookRequest) -> Received | Refused:
        raise ZeroDivisionError(request.body)


async def test_a_plugin_with_a_defect_keeps_nobody_else_from_working(serve: Serve) -> None:
    async with serve(Broken()) as site:
        assert (await site.client.post(PATH, **signed())).status_code == 500
    async with serve(Broken(), ScriptedForge()) as site:
        assert (await site.client.post(PATH, **signed())).status_code == 202


async def test_a_store_that_fails_is_told_without_its_reasons(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> bool:
        raise InfrastructureFault("no space left", where="database")

    monkeypatch.setattr(type(site.store), "add_delivery", full)
    answer = await site.client.post(PATH, **signed())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert answer.json() == {"error": "the delivery could not be stored"}
    assert refusals(site) == [(503, "database: no space left")]


async def test_the_largest_body_is_taken_and_one_byte_more_is_not(site: Site) -> None:
    body = b'{"x":"' + b"x" * (LARGEST_BYTES - 8) + b'"}'
    assert len(body) == LARGEST_BYTES
    assert (await site.client.post(PATH, **signed(body=body), timeout=30)).status_code == 202
    head = b"POST /scripted/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (LARGEST_BYTES + 1)
    answer = await raw(site, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert refusals(site) == [(413, f"the body is larger than {LARGEST_BYTES} bytes")]


async def test_a_body_that_does_not_say_how_large_it_is_is_counted(serve: Serve) -> None:
    async with serve(room=BodyRoom(largest=1000)) as site:
        head = b"POST /scripted/webhook HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        answer = await raw(site, head + b"1f4\r\n" + b"x" * 500 + b"\r\n1f5\r\n" + b"x" * 501 + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert (await site.client.post(PATH, **signed())).status_code == 202


async def test_nested_json_of_25_mb_is_refused_and_stops_nothing(site: Site) -> None:
    body = b'{"x":' + b"[" * (LARGEST_BYTES - 6) + b"}"
    answer = await site.client.post(PATH, **signed(body=body), timeout=30)
    assert answer.status_code == 400
    assert (await site.client.get("/healthz")).status_code == 200
    assert len(site.log.events) == 1


async def test_a_body_that_never_ends_is_given_up(serve: Serve) -> None:
    async with serve(room=BodyRoom(read_seconds=0.1)) as site:
        answer = await raw(site, b"POST /scripted/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc")
        assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_is_cut_off_stores_nothing(site: Site) -> None:
    head = b"POST /scripted/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc"
    async with await anyio.connect_tcp(site.server.host, site.server.port) as stream:
        await stream.send(head)
    with anyio.fail_after(20):
        while not site.log.events:  # noqa: ASYNC110 - the log wakes nobody
            await anyio.sleep(0.005)
    assert refusals(site) == [(400, "the body ended too early")]


async def test_bodies_share_a_room_and_give_it_back(serve: Serve) -> None:
    room = BodyRoom(most=len(BODY) + 10)
    async with serve(room=room) as site:
        too_much = await site.client.post(PATH, **signed("d1", BODY + b" " * 11))
        assert too_much.status_code == 503
        for number in range(3):
            assert (await site.client.post(PATH, **signed(f"e{number}"))).status_code == 202


async def test_control_characters_never_reach_the_log(site: Site) -> None:
    headers = {name.encode(): value.encode() for name, value in delivery_headers("d1", BODY, SECRET).items()}
    headers[b"x-forge-event"] = "push\x9b31m\u200f".encode("latin-1", "ignore")
    assert (await site.client.post(PATH, content=BODY, headers=headers)).status_code == 202
    shown = json.dumps([repr(fields) for _, fields in site.log.events])
    assert "\\x9b" not in shown


async def test_every_answer_is_json_with_safe_headers(site: Site) -> None:
    for answer in (
        await site.client.post(PATH, **signed()),
        await site.client.get(PATH),
        await site.client.get("/nothing"),
        await site.client.get("/healthz"),
        await site.client.get("/readyz"),
    ):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        answer.json()


class Odd(ScriptedForge):
    def receive(self, request: WebhookRequest) -> Received | Refused:
        del request
        return Refused(400, "half a character: \ud800\x1b[31m\nand a second line")


async def test_whatever_a_plugin_says_can_be_answered_and_logged(serve: Serve) -> None:
    async with serve(Odd()) as site:
        answer = await site.client.post(PATH, **signed())
        assert (answer.status_code, answer.json()) == (400, {"error": "half a character: ? and a second line"})
        assert refusals(site) == [(400, "half a character: ? and a second line")]
