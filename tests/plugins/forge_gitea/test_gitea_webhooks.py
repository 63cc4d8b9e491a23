"""Requests to the webhook: who is believed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from tests.plugins.forge_gitea.payloads import DELIVERY, HEADERS, HOST, REPOSITORY, push, written

from ekaci_core.api import Received, Refused, Secret, WebhookRequest
from ekaci_forge_gitea.webhooks import receive

SECRET = Secret("3gEsCfjlV2ugRwgpU#w1*WaW*wa4NXgGmpCfkbG3")
BODY = written(push())


def digest(body: bytes = BODY, key: Secret = SECRET) -> str:
    return hmac.new(key.reveal().encode(), body, hashlib.sha256).hexdigest()


def answer(
    headers: Mapping[str, str], body: bytes = BODY, *, secret: Secret | None = SECRET, insecure: bool = False
) -> Received | Refused:
    return receive(WebhookRequest({**HEADERS, **headers}, body), secret, HOST, insecure=insecure)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-gitea-signature": digest()},
        {"x-forgejo-signature": digest()},
        {"x-gogs-signature": digest()},
        {"x-hub-signature-256": f"sha256={digest()}"},
        {"x-gitea-signature": digest(), "x-hub-signature-256": "sha256=0"},
    ],
)
def test_each_vendors_signature_is_believed(headers: Mapping[str, str]) -> None:
    assert answer(headers) == Received(DELIVERY, "push", BODY)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-gitea-signature": ""},
        {"x-gitea-signature": f"sha256={digest()}"},
        {"x-hub-signature-256": digest()},
        {"x-gitea-signature": digest().upper()},
        {"x-gitea-signature": digest(key=Secret("another"))},
        {"x-gitea-signature": "0" * 64, "x-hub-signature-256": f"sha256={digest()}"},
        {"x-gitea-signature": "é\ud800"},
        # https://docs.gitea.com/usage/webhooks: SHA-1 is sent too, and is not enough
        {"x-hub-signature": "sha1=" + hmac.new(SECRET.reveal().encode(), BODY, hashlib.sha1).hexdigest()},
    ],
)
def test_nothing_else_is(headers: Mapping[str, str]) -> None:
    refused = answer(headers)
    assert isinstance(refused, Refused)
    assert refused.status == 401


def test_without_a_secret_nothing_is_believed_unless_the_server_says_so() -> None:
    for none in (None, Secret("")):
        refused = answer({"x-gitea-signature": digest()}, secret=none)
        assert isinstance(refused, Refused)
        assert refused.status == 503
        assert isinstance(answer({}, secret=none, insecure=True), Received)
    assert isinstance(answer({}, insecure=True), Refused), "where there is a secret it is checked"


def test_forgejo_has_names_of_its_own() -> None:
    headers = {
        "x-forgejo-delivery": "11111111-2222-3333-4444-555555555555",
        "x-forgejo-event": "pull_request",
        "x-forgejo-signature": digest(),
    }
    request = WebhookRequest({"content-type": "application/json", **headers}, BODY)
    expected = Received("11111111-2222-3333-4444-555555555555", "pull_request", BODY)
    assert receive(request, SECRET, HOST, insecure=False) == expected


def test_in_a_form_the_document_is_signed() -> None:
    form = urlencode({"payload": BODY.decode()}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "x-gitea-signature": digest()}
    assert answer(headers, form) == Received(DELIVERY, "push", BODY)
    refused = answer({**headers, "x-gitea-signature": digest(form)}, form)
    assert isinstance(refused, Refused)
    assert refused.status == 401


@pytest.mark.parametrize("form", [b"", b"a=b", b"payload=1&payload=2", b"&".join([b"a=1"] * 99)])
def test_a_form_without_one_document_is_refused(form: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "x-gitea-signature": digest(form)}
    refused = answer(headers, form)
    assert isinstance(refused, Refused)
    assert refused.status == 400


def test_other_types_of_content_are_refused() -> None:
    refused = answer({"content-type": "text/plain", "x-gitea-signature": digest()})
    assert isinstance(refused, Refused)
    assert refused.status == 415


def test_of_several_instances_with_one_secret_each_takes_its_own() -> None:
    other = written(push(repository={**REPOSITORY, "html_url": "https://forgejo.example.net:8443/octo/packages"}))
    refused = answer({"x-gitea-signature": digest(other)}, other)
    assert isinstance(refused, Refused)
    assert refused.status == 421
    assert "forgejo.example.net:8443" in refused.reason
    assert HOST in refused.reason


@pytest.mark.parametrize(
    "url", [f"https://{HOST}:443/octo/packages", f"https://{HOST.upper()}/a/b", "https://[::1/", 3, None]
)
def test_what_names_no_other_instance_is_taken(url: object) -> None:
    body = written(push(repository={**REPOSITORY, "html_url": url}))
    assert isinstance(answer({"x-gitea-signature": digest(body)}, body), Received)


@pytest.mark.parametrize("missing", ["event", "delivery"])
def test_what_has_no_kind_or_no_name_is_refused(missing: str) -> None:
    fewer = {name: value for name, value in HEADERS.items() if not name.endswith(missing)}
    refused = receive(WebhookRequest({**fewer, "x-gitea-signature": digest()}, BODY), SECRET, HOST, insecure=False)
    assert isinstance(refused, Refused)
    assert refused.status == 400
