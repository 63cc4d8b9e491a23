"""Signed deliveries to the App's webhook, each attempt written down as GitHub does.

Headers: https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import httpx
from tests.standins.github.records import App, Delivery
from tests.standins.github.signatures import webhook_signature

if TYPE_CHECKING:
    from tests.standins.github.world import World

ANSWER_SECONDS: Final = 10.0
"""GitHub waits so long for an answer: https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks."""


def new_delivery(world: World, app: App, event: str, payload: Mapping[str, Any]) -> Delivery:
    """Prepare the first attempt at a delivery."""
    return Delivery(
        id=world.next_id(),
        guid=str(uuid.uuid4()),
        app=app,
        event=event,
        action=payload.get("action"),
        payload=dict(payload),
        body=json.dumps(payload, ensure_ascii=False).encode(),
        delivered_at=world.now(),
        enterprise_host=world.shapes.url.partition("://")[2] if world.enterprise else "",
    )


def again(world: World, delivery: Delivery) -> Delivery:
    """Prepare another attempt at the same delivery."""
    return attrs.evolve(
        delivery, id=world.next_id(), redelivery=True, delivered_at=world.now(), status_code=0, status="pending"
    )


def headers_of(delivery: Delivery) -> dict[str, str]:
    """Return the headers of a delivery, in lower case."""
    signature = webhook_signature(delivery.app.webhook_secret, delivery.body)
    of_server = {
        "x-github-enterprise-version": "3.14.2",
        "x-github-enterprise-host": delivery.enterprise_host,
    }
    return {
        "accept": "*/*",
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/044aadd",
        "x-github-delivery": delivery.guid,
        "x-github-event": delivery.event,
        "x-github-hook-id": "292430182",
        "x-github-hook-installation-target-id": str(delivery.app.id),
        "x-github-hook-installation-target-type": "integration",
        "x-hub-signature-256": signature,
        **(of_server if delivery.enterprise_host else {}),
    }


async def deliver(delivery: Delivery, client: httpx.AsyncClient) -> None:
    """Send a delivery and write down what came of it; GitHub does not try again by itself."""
    if delivery.app.webhook_url is None:
        delivery.status = "not sent"
        return
    began = time.monotonic()
    try:
        answer = await client.post(
            delivery.app.webhook_url, content=delivery.body, headers=headers_of(delivery), timeout=ANSWER_SECONDS
        )
        delivery.status_code, delivery.status = answer.status_code, answer.reason_phrase or "OK"
    except httpx.TimeoutException:
        delivery.status_code, delivery.status = 504, "timed out"
    except httpx.HTTPError:
        delivery.status_code, delivery.status = 502, "failed to connect to host"
    delivery.seconds = round(time.monotonic() - began, 2)
