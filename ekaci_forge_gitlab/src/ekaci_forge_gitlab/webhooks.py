"""Requests to the webhook: whether GitLab sent them, and their form. Pure.

https://docs.gitlab.com/user/project/integrations/webhooks/#delivery-headers
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from ekaci_core.api import Received, Refused, WebhookRequest
from ekaci_core.api.fields import Fields, Malformed, loaded
from ekaci_forge_gitlab.signatures import ID, SIGNATURE, WebhookKeys

_BAD_REQUEST: Final = 400
_NOT_GENUINE: Final = 401
_UNKNOWN_FORM: Final = 415
_NOT_READY: Final = 503

_EVENT: Final = re.compile(r"[A-Za-z0-9_. -]{1,1000}")
_DELIVERY: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_DIGEST_CHARACTERS: Final = 16


def receive(request: WebhookRequest, keys: WebhookKeys) -> Received | Refused:
    """Check signature or secret, and the form of a request."""
    return _distrust(request, keys) or _read(request, signed=keys.signing is not None)


def _distrust(request: WebhookRequest, keys: WebhookKeys) -> Refused | None:
    if keys.none:
        return None if keys.insecure else Refused(_NOT_READY, "no webhook secret is configured")
    if keys.believe(request):
        return None
    return Refused(_NOT_GENUINE, "the secret or the signature is missing or wrong")


def _read(request: WebhookRequest, *, signed: bool) -> Received | Refused:
    kind = request.headers.get("x-gitlab-event", "")
    if not _EVENT.fullmatch(kind):
        return Refused(_BAD_REQUEST, "X-Gitlab-Event is missing or names no event")
    form = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if form != "application/json":
        return Refused(_UNKNOWN_FORM, "the content type is not application/json")
    delivery = _name(request.headers, request.body, signed=signed)
    if delivery is None:
        return Refused(_BAD_REQUEST, "neither Idempotency-Key nor X-Gitlab-Event-UUID names the delivery")
    try:
        Fields(loaded(request.body), "the payload")
    except Malformed as error:
        return Refused(_BAD_REQUEST, f"not a delivery: {error}")
    return Received(delivery, kind, request.body)


def _name(headers: Mapping[str, str], body: bytes, *, signed: bool) -> str | None:
    """Return the name of a delivery, the same when it is sent again; None where it has none.

    A signature covers the name in its own header: a request that somebody caught and sends again has that name, and is
    known. GitLab before 17.4 has only a name that all events have which one event brought about, so that with it goes
    what the delivery says.
    """
    for header in (ID, "idempotency-key") if signed and SIGNATURE in headers else ("idempotency-key",):
        found = headers.get(header, "")
        if _DELIVERY.fullmatch(found):
            return found
    event = headers.get("x-gitlab-event-uuid", "")
    if not _DELIVERY.fullmatch(event):
        return None
    return f"{event}-{hashlib.sha256(body).hexdigest()[:_DIGEST_CHARACTERS]}"
