"""Requests to the webhook: whether the instance sent them. Pure.

Headers: https://docs.gitea.com/usage/webhooks and https://forgejo.org/docs/latest/user/webhooks/; Gitea sends its own
names, Forgejo those and its own, and both send Gogs' and GitHub's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from ekaci_core.api import Received, Refused, Secret, WebhookRequest
from ekaci_core.api.fields import Fields, Malformed, loaded
from ekaci_forge_gitea.faults import one_line

_BAD_REQUEST: Final = 400
_NOT_GENUINE: Final = 401
_UNKNOWN_FORM: Final = 415
_OF_ANOTHER: Final = 421
_NOT_READY: Final = 503

_VENDORS: Final = ("gitea", "forgejo", "gogs")
_HUB: Final = "x-hub-signature-256"
_EVENT: Final = re.compile(r"[A-Za-z0-9_.-]{1,1000}")
_DELIVERY: Final = re.compile(r"[A-Za-z0-9-]{1,100}")
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 10
_USUAL_PORTS: Final = {"https": 443, "http": 80}


def receive(request: WebhookRequest, secret: Secret | None, host: str, *, insecure: bool) -> Received | Refused:
    """Check signature and form of a request.

    Args:
        request: as it came.
        secret: what the instance signs with; an empty one is none.
        host: of the instance. A delivery about another one's repository is refused: several may have one secret.
        insecure: whether a request is believed where there is no secret. Where there is one it is always checked.
    """
    payload = _payload(request)
    return _distrust(request, payload, secret, insecure=insecure) or _read(request, payload, host)


def _distrust(
    request: WebhookRequest, payload: bytes | Refused, secret: Secret | None, *, insecure: bool
) -> Refused | None:
    if not secret:
        return None if insecure else Refused(_NOT_READY, "no webhook secret is configured")
    # In a form the document is signed, not the form around it.
    signed = request.body if isinstance(payload, Refused) else payload
    if _is_genuine(request, signed, secret):
        return None
    return Refused(_NOT_GENUINE, "the signature is missing or wrong")


def _is_genuine(request: WebhookRequest, signed: bytes, secret: Secret) -> bool:
    digest = hmac.new(secret.reveal().encode(errors="surrogateescape"), signed, hashlib.sha256).hexdigest()
    expected = {f"x-{vendor}-signature": digest for vendor in _VENDORS} | {_HUB: f"sha256={digest}"}
    # The first that is there has to be right: another one beside it proves nothing.
    name = next((name for name in expected if request.headers.get(name)), _HUB)
    given = request.headers.get(name, "").encode(errors="replace")
    return hmac.compare_digest(given, expected[name].encode())


def _read(request: WebhookRequest, payload: bytes | Refused, host: str) -> Received | Refused:
    kind, delivery = _header(request, "event"), _header(request, "delivery")
    if not _EVENT.fullmatch(kind):
        return Refused(_BAD_REQUEST, "X-Gitea-Event is missing or names no event")
    if not _DELIVERY.fullmatch(delivery):
        return Refused(_BAD_REQUEST, "X-Gitea-Delivery is missing or names no delivery")
    if isinstance(payload, Refused):
        return payload
    try:
        document = loaded(payload)
        Fields(document, "the payload")
    except Malformed as error:
        return Refused(_BAD_REQUEST, f"not a delivery: {error}")
    other = _other_host(document, host)
    if other:
        return Refused(_OF_ANOTHER, f"it is about a repository at {other}, and this is {host}: compare ROOT_URL")
    return Received(delivery, kind, payload)


def _header(request: WebhookRequest, name: str) -> str:
    return next(filter(None, (request.headers.get(f"x-{vendor}-{name}", "") for vendor in _VENDORS)), "")


def _other_host(document: dict[str, Any], host: str) -> str:
    """Name the host that a delivery is about, where it is another one."""
    repository = document.get("repository")
    address = repository.get("html_url") if isinstance(repository, dict) else None
    if not isinstance(address, str):
        return ""
    try:
        parts = urlsplit(address)
        name, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    found = name if port in (None, _USUAL_PORTS.get(parts.scheme)) else f"{name}:{port}"
    return one_line(found, 100) if found and found != host else ""


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
