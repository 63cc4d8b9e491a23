"""Who is believed, by secret and by signature, and what a delivery is called."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import attrs
import pytest
from tests.plugins.forge_gitlab.payloads import HEADERS, merge_request, push

from ekaci_core.api import Received, Refused, Secret, UsageFault, WebhookRequest
from ekaci_forge_gitlab.config import GitLabConfig
from ekaci_forge_gitlab.signatures import WebhookKeys
from ekaci_forge_gitlab.webhooks import receive

SECRET = Secret("a secret that GitLab sends")
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
KEY = Secret("whsec_" + base64.b64encode(b"32 bytes that nobody else knows!").decode())
BODY = json.dumps(push()).encode()
BOTH = WebhookKeys.of(GitLabConfig(domain="gitlab.com", webhook_secret=SECRET, signing_token=KEY), "here")
SECRET_ONLY = WebhookKeys(SECRET)


def request(body: bytes = BODY, **changes: str | None) -> WebhookRequest:
    """A delivery with its usual headers; others by their names with _, None for one that is missing."""
    headers: dict[str, str | None] = {**HEADERS, "x-gitlab-token": SECRET.reveal()}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return WebhookRequest({name: value for name, value in headers.items() if value is not None}, body)


def signed(body: bytes = BODY, *, name: str = "msg_1", key: Secret = KEY, **changes: str | None) -> WebhookRequest:
    secret = base64.b64decode(key.reveal().removeprefix("whsec_"))
    digest = hmac.new(secret, f"{name}.1674087231.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    fields: dict[str, str | None] = {"webhook_id": name, "webhook_timestamp": "1674087231", "x_gitlab_token": None}
    return request(body, **{**fields, "webhook_signature": signature, **changes})


def status(answer: Received | Refused) -> int:
    return answer.status if isinstance(answer, Refused) else 200


def test_a_delivery_with_the_secret_is_received_word_for_word() -> None:
    assert receive(request(), SECRET_ONLY) == Received(HEADERS["idempotency-key"], "Push Hook", BODY)


@pytest.mark.parametrize("secret", [None, "", "wrong", "A SECRET THAT GITLAB SENDS", SECRET.reveal() + " "])
def test_another_secret_is_refused(secret: str | None) -> None:
    assert status(receive(request(x_gitlab_token=secret), SECRET_ONLY)) == 401


def test_a_signed_delivery_needs_no_secret_with_it() -> None:
    assert receive(signed(), BOTH) == Received("msg_1", "Push Hook", BODY)


def test_the_example_of_the_standard_is_accepted() -> None:
    # https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py
    key = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    keys = WebhookKeys.of(GitLabConfig(domain="gitlab.com", signing_token=key), "here")
    fields = {
        "webhook_id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook_timestamp": "1614265330",
        "webhook_signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    answer = receive(request(b'{"test": 2432232314}', **fields), keys)
    assert answer == Received("msg_p5jXN8AQM9LWM0D4loKWxJek", "Push Hook", b'{"test": 2432232314}')


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_what_was_signed_may_not_be_changed_or_missing(name: str) -> None:
    right = signed()
    for value in ("", "x", "v1,", "v1,AAAA", right.headers[name] + "x"):
        assert status(receive(attrs.evolve(right, headers={**right.headers, name: value}), BOTH)) == 401, value
    fewer = {each: value for each, value in right.headers.items() if each != name}
    assert status(receive(attrs.evolve(right, headers=fewer), BOTH)) == 401
    assert status(receive(attrs.evolve(right, body=BODY + b" "), BOTH)) == 401


def test_one_of_several_signatures_is_enough_while_a_key_is_changed() -> None:
    other = "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="
    right = signed().headers["webhook-signature"]
    for several in (f"{other} {right}", f"{right} {other}", f"v2,x {right}"):
        assert status(receive(signed(webhook_signature=several), BOTH)) == 200
    assert status(receive(signed(webhook_signature=f"{other} v1a,{right[3:]}"), BOTH)) == 401


def test_a_wrong_signature_is_not_made_good_by_the_secret() -> None:
    stolen = signed(webhook_signature="v1,AAAA", x_gitlab_token=SECRET.reveal())
    assert status(receive(stolen, BOTH)) == 401


def test_a_webhook_that_does_not_sign_yet_is_believed_by_its_secret() -> None:
    assert status(receive(request(), BOTH)) == 200


def test_a_signature_that_nobody_can_check_leaves_the_secret_to_decide() -> None:
    assert status(receive(signed(x_gitlab_token=SECRET.reveal()), SECRET_ONLY)) == 200
    assert status(receive(signed(), SECRET_ONLY)) == 401


def test_a_secret_in_the_form_of_a_signing_token_serves_as_both() -> None:
    keys = WebhookKeys.of(GitLabConfig(domain="gitlab.com", webhook_secret=KEY), "here")
    assert status(receive(signed(), keys)) == 200
    assert status(receive(request(x_gitlab_token=KEY.reveal()), keys)) == 200


@pytest.mark.parametrize("text", ["a secret", "whsec_", "whsec_!", "whsec_ä", "c2VjcmV0"])
def test_what_is_no_signing_token_is_said_at_start_and_not_shown(text: str) -> None:
    with pytest.raises(UsageFault) as caught:
        WebhookKeys.of(GitLabConfig(domain="gitlab.com", signing_token=Secret(text)), "gitlab_instances.a")
    assert caught.value.where == "gitlab_instances.a.signing_token"
    assert text not in f"{caught.value!r}"


def test_without_any_secret_only_the_insecure_believe() -> None:
    assert status(receive(request(), WebhookKeys())) == 503
    assert status(receive(request(), WebhookKeys(insecure=True))) == 200
    assert status(receive(request(x_gitlab_token="wrong"), WebhookKeys(SECRET, insecure=True))) == 401  # noqa: S106


def test_keys_are_not_printed() -> None:
    assert SECRET.reveal() not in repr(BOTH)
    assert "32 bytes" not in repr(BOTH)


# --- names of deliveries


def name_of(asked: WebhookRequest, keys: WebhookKeys = SECRET_ONLY) -> str:
    answer = receive(asked, keys)
    assert isinstance(answer, Received), answer
    return answer.delivery


def test_a_delivery_that_is_sent_again_has_the_same_name() -> None:
    assert name_of(request()) == HEADERS["idempotency-key"]
    assert name_of(request(x_gitlab_event_uuid="another")) == HEADERS["idempotency-key"]


def test_a_caught_request_cannot_be_sent_again_by_another_name() -> None:
    assert name_of(signed(idempotency_key="another"), BOTH) == "msg_1"
    assert status(receive(signed(webhook_id="another"), BOTH)) == 401


def test_events_of_one_cause_have_names_of_their_own_where_gitlab_has_none() -> None:
    """Before 17.4 there is only a name that recursive webhooks share."""
    first = name_of(request(idempotency_key=None))
    second = name_of(request(json.dumps(merge_request()).encode(), idempotency_key=None))
    assert first.startswith(HEADERS["x-gitlab-event-uuid"])
    assert first == name_of(request(idempotency_key=None)) != second


@pytest.mark.parametrize("name", [None, "", "a b", "x" * 101, "é"])
def test_a_delivery_without_a_name_is_refused(name: str | None) -> None:
    assert status(receive(request(idempotency_key=name, x_gitlab_event_uuid=None), SECRET_ONLY)) == 400


# --- form


def test_what_is_no_delivery_is_refused_with_its_reason() -> None:
    assert receive(request(b"{"), SECRET_ONLY) == Refused(400, "not a delivery: not JSON")
    assert status(receive(request(x_gitlab_event=None), SECRET_ONLY)) == 400
    assert status(receive(request(content_type="application/x-www-form-urlencoded"), SECRET_ONLY)) == 415
    assert status(receive(request(content_type="application/json; charset=utf-8"), SECRET_ONLY)) == 200
    assert status(receive(request(content_type=None), SECRET_ONLY)) == 200
