"""Requests to the webhook: whether GitHub sent them. Pure.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final
from urllib.parse import parse_qs

from ekaci_core.api import Received, Refused, Secret, WebhookRequest
from ekaci_core.api.fields import Fields, Malformed, loaded

_BAD_REQUEST: Final = 400
_NOT_GENUINE: Final = 401
_UNKNOWN_FORM: Final = 415
_NOT_READY: Final = 503

_EVENT: Final = re.compile(r"[A-Za-z0-9_.-]{1,1000}")
_DELIVERY: Final = re.compile(r"[A-Za-z0-9-]{1,100}")
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 10


def receive(request: WebhookRequest, secret: Secret | None, *, insecure: bool) -> Received | Refused:
    """Check signature and form of a request.

    Args:
        request: as it came.
        secret: what GitHub signs with; an empty one is none.
        insecure: whether a request is believed where there is no secret. Where there is one it is always checked.
    """
    return _distrust(request, secret, insecure=insecure) or _read(request)


def _distrust(request: WebhookRequest, secret: Secret | None, *, insecure: bool) -> Refused | None:
    if secret:
        return None if _is_genuine(request, secret) else Refused(_NOT_GENUINE, "the signature is missing or wrong")
    return None if insecure else Refused(_NOT_READY, "no webhook secret is configured")


def _read(request: WebhookRequest) -> Received | Refused:
    kind = request.headers.get("x-github-event", "")
    delivery = request.headers.get("x-github-delivery", "")
    if not _EVENT.fullmatch(kind):
        return Refused(_BAD_REQUEST, "X-GitHub-Event is missing or names no event")
    if not _DELIVERY.fullmatch(delivery):
        return Refused(_BAD_REQUEST, "X-GitHub-Delivery is missing or names no delivery")
    payload = _payload(request)
    if isinstance(payload, Refused):
        return payload
    try:
        Fields(loaded(payload), "the payload")
    except Malformed as error:
        return Refused(_BAD_REQUEST, f"not a delivery: {error}")
    return Received(delivery, kind, payload)


def _is_genuine(request: WebhookRequest, secret: Secret) -> bool:
    given = request.headers.get("x-hub-signature-256", "").encode(errors="replace")
    digest = hmac.new(secret.reveal().encode(errors="surrogateescape"), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(given, f"sha256={digest}".encode())


def _payload(request: WebhookRequest) -> bytes | Refused:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind == "application/json":
        return request.body
    if kind != _FORM:
        return Refused(_UNKNOWN_FORM, "the content type is neither application/json nor that of a form")
    try:
        found = parse_qs(request.body, max_num_fields=_MOST_FIELDS).get(b"payload", [])
    except ValueError:
        return Refused(_BAD_REQUEST, "the form cannot be read")
    if len(found) != 1:
        return Refused(_BAD_REQUEST, "the form has not one field named payload")
    return found[0]
