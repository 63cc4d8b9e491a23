"""Who is believed, and what is refused with which status."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ekaci_core.api import Received, Refused, Secret, WebhookRequest
from ekaci_forge_github.webhooks import receive

SECRET = Secret("It's a Secret to Everybody")
BODY = b'{"zen": "Keep it logically awesome."}'


def signed(body: bytes, secret: Secret = SECRET) -> str:
    return "sha256=" + hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest()


def request(body: bytes = BODY, *, without: str = "", **fields: str) -> WebhookRequest:
    headers: Mapping[str, str] = {
        "x-github-event": "ping",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-hub-signature-256": signed(body),
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    return WebhookRequest({name: value for name, value in headers.items() if name != without}, body)


def named(name: str, value: str) -> WebhookRequest:
    return WebhookRequest({**request().headers, name: value}, BODY)


def status(answer: Received | Refused) -> int:
    return answer.status if isinstance(answer, Refused) else 200


def test_the_vendors_own_example_of_a_signature_is_accepted() -> None:
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
    told = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signed(b"Hello, World!") == told
    answer = receive(request(b"Hello, World!", x_hub_signature_256=told), SECRET, insecure=False)
    assert answer == Refused(400, "not a delivery: not JSON")


def test_a_signed_delivery_is_received_word_for_word() -> None:
    answer = receive(request(), SECRET, insecure=False)
    assert answer == Received("72d3162e-cc78-11e3-81ab-4c9367dc0958", "ping", BODY)


def test_a_form_is_opened_after_its_signature_was_checked() -> None:
    form = urlencode({"payload": BODY.decode()}).encode()
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    answer = receive(request(form, content_type=kind), SECRET, insecure=False)
    assert isinstance(answer, Received)
    assert answer.payload == BODY
    inner = receive(request(form, content_type=kind, x_hub_signature_256=signed(BODY)), SECRET, insecure=False)
    assert status(inner) == 401


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        signed(BODY)[:-1],
        signed(BODY).upper(),
        signed(BODY).removeprefix("sha256="),
        signed(BODY, Secret("another")),
        "sha1=" + hmac.new(SECRET.reveal().encode(), BODY, hashlib.sha1).hexdigest(),
        "sha256=\xfe\xff",
        "sha256=\ud800",
    ],
)
def test_a_wrong_signature_is_401(signature: str) -> None:
    answer = receive(request(x_hub_signature_256=signature), SECRET, insecure=False)
    assert answer == Refused(401, "the signature is missing or wrong")
    assert status(receive(request(x_hub_signature_256=signature), SECRET, insecure=True)) == 401


def test_a_missing_signature_is_401_whatever_else_is_wrong() -> None:
    assert status(receive(request(without="x-hub-signature-256"), SECRET, insecure=False)) == 401
    assert status(receive(WebhookRequest({}, b""), SECRET, insecure=True)) == 401


@pytest.mark.parametrize("secret", [None, Secret("")])
def test_without_a_secret_nothing_is_believed_unless_it_is_said(secret: Secret | None) -> None:
    unsigned = request(without="x-hub-signature-256")
    assert receive(unsigned, secret, insecure=False) == Refused(503, "no webhook secret is configured")
    assert status(receive(unsigned, secret, insecure=True)) == 200


@pytest.mark.parametrize("name", ["x-github-event", "x-github-delivery"])
def test_missing_or_impossible_headers_are_400(name: str) -> None:
    assert status(receive(request(without=name), SECRET, insecure=False)) == 400
    for value in ("", "a b", "../x", "x" * 1001, "a\nb", "\x1b[31m"):
        assert status(receive(named(name, value), SECRET, insecure=False)) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{\x00}\x00",
        b'{"a": NaN}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b"[" + b"[]," * 1_500_000 + b"[]]",
    ],
    ids=["empty", "cut", "list", "null", "text", "utf-16", "NaN", "large number", "deep", "deep objects", "many"],
)
def test_what_is_no_json_object_is_400(body: bytes) -> None:
    assert status(receive(request(body), SECRET, insecure=False)) == 400


@pytest.mark.parametrize("body", [b"", b"payload=1&payload=2", b"other=1", b"&".join([b"a=1"] * 50), b"payload=%ff"])
def test_a_form_without_one_payload_is_400(body: bytes) -> None:
    answer = receive(request(body, content_type="application/x-www-form-urlencoded"), SECRET, insecure=False)
    assert status(answer) == 400


def test_another_content_type_is_415_and_none_is_json() -> None:
    assert status(receive(request(content_type="text/xml"), SECRET, insecure=False)) == 415
    assert status(receive(request(without="content-type"), SECRET, insecure=False)) == 200


@given(
    st.dictionaries(st.sampled_from(["x-github-event", "x-hub-signature-256", "content-type"]), st.text()), st.binary()
)
def test_nothing_that_comes_raises(fields: dict[str, str], body: bytes) -> None:
    answer = receive(WebhookRequest(fields, body), SECRET, insecure=False)
    assert isinstance(answer, Refused)
    assert SECRET.reveal() not in answer.reason


@settings(max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_objects_are_received_and_nothing_else(document: object) -> None:
    answer = receive(request(json.dumps(document).encode()), SECRET, insecure=False)
    assert isinstance(answer, Received) == isinstance(document, dict)
