"""Signed deliveries to webhooks.

Headers: https://docs.gitea.com/usage/webhooks and https://forgejo.org/docs/latest/user/webhooks/; the values of both
headers for the kind: https://github.com/go-gitea/gitea/blob/main/modules/webhook/type.go
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import httpx
from tests.standins.gitea.records import Delivery, Hook, Repository

if TYPE_CHECKING:
    from tests.standins.gitea.world import World

ANSWER_SECONDS: Final = 5.0
"""``DELIVER_TIMEOUT``: https://docs.gitea.com/administration/config-cheat-sheet#webhook-webhook."""

PULL_TYPES: Final = (
    "pull_request", "pull_request_assign", "pull_request_label", "pull_request_milestone", "pull_request_comment",
    "pull_request_review_approved", "pull_request_review_rejected", "pull_request_review_comment",
    "pull_request_sync", "pull_request_review_request",
)  # fmt: skip
OTHER_TYPES: Final = ("create", "delete", "fork", "push", "issues", "issue_comment", "wiki", "repository", "release")
_KINDS: Final = {
    "pull_request_comment": "issue_comment",
    "pull_request_review_approved": "pull_request_approved",
    "pull_request_review_rejected": "pull_request_rejected",
    "pull_request_review_comment": "pull_request_comment",
    **{each: "pull_request" for each in PULL_TYPES if each.split("_")[-1] in ("label", "assign", "milestone", "sync")},
}


def expanded(events: list[str]) -> frozenset[str]:
    """Return the types of events that names in a request stand for."""
    found: set[str] = set()
    for name in events or ["push"]:
        if name == "pull_request":
            found |= set(PULL_TYPES)
        elif name == "pull_request_only":
            found.add("pull_request")
        elif name == "pull_request_review":
            found |= {each for each in PULL_TYPES if "_review_" in each and not each.endswith("request")}
        elif name in (*PULL_TYPES, *OTHER_TYPES):
            found.add(name)
    return frozenset(found)


def signed_headers(vendor: str, secret: str, event: str, body: bytes, delivery: str) -> dict[str, str]:
    """Return the headers of a delivery, in lower case."""
    kind = _KINDS.get(event, event)
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() if secret else ""
    headers = {"content-type": "application/json", "user-agent": "Go-http-client/1.1"}
    vendors = ("gitea", "gogs") if vendor == "gitea" else ("forgejo", "gitea", "gogs")
    for name in vendors:
        headers |= {
            f"x-{name}-delivery": delivery,
            f"x-{name}-event": kind,
            f"x-{name}-event-type": event,
            f"x-{name}-signature": digest,
        }
    headers |= {"x-hub-signature-256": f"sha256={digest}", "x-github-event": kind, "x-github-delivery": delivery}
    return headers


def tell(world: World, repository: Repository, event: str, payload: Mapping[str, Any]) -> None:
    """Send to every webhook that wants it; what nobody wants is kept, to be looked at."""
    body = json.dumps(payload, indent=2, ensure_ascii=False).encode()
    wanting: list[Hook | None] = [each for each in repository.hooks.values() if each.active and event in each.events]
    for hook in wanting or [None]:
        name = str(uuid.uuid4())
        headers = signed_headers(world.vendor, hook.secret if hook else "", event, body, name)
        made = Delivery(name, headers["x-gitea-event"], event, hook, body, headers)
        world.deliveries.append(made)
        if hook is not None:
            world.send(made)


async def deliver(delivery: Delivery, client: httpx.AsyncClient) -> None:
    """Send a delivery, once: Gitea does not try again by itself."""
    assert delivery.hook is not None
    try:
        answer = await client.post(
            delivery.hook.url, content=delivery.body, headers=delivery.headers, timeout=ANSWER_SECONDS
        )
        delivery.status = answer.status_code
    except httpx.HTTPError:
        delivery.status = -1
