"""Deliveries to webhooks, with the secret, and signed where the hook has a key.

Headers: https://docs.gitlab.com/user/project/integrations/webhooks/#delivery-headers
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import httpx
from tests.standins.gitlab.records import Delivery, Hook

ANSWER_SECONDS: Final = 10.0
"""gitlab.com waits so long for an answer: https://docs.gitlab.com/user/gitlab_com/#webhooks"""


def new_delivery(hook: Hook, event: str, payload: Mapping[str, Any]) -> Delivery:
    """Prepare a delivery."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    return Delivery(hook, event, payload, body, str(uuid.uuid4()), str(uuid.uuid4()))


def headers_of(delivery: Delivery) -> dict[str, str]:
    """Return the headers of a delivery, in lower case."""
    headers = {
        "content-type": "application/json",
        "user-agent": "GitLab/18.5.0-ee",
        "idempotency-key": delivery.key,
        "x-gitlab-event": delivery.event,
        "x-gitlab-webhook-uuid": "02affd2d-2cba-4033-917d-ec22d5dc4b38",
        "x-gitlab-instance": "https://gitlab.example.com",
        "x-gitlab-event-uuid": delivery.event_uuid,
    }
    if delivery.hook.token:
        headers["x-gitlab-token"] = delivery.hook.token
    return headers | signed(delivery.hook.signing, delivery.key, delivery.body)


def signed(token: str, name: str, body: bytes) -> dict[str, str]:
    """Return the headers of a signature, none without a signing token.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
    """
    if not token:
        return {}
    moment = str(int(time.time()))
    key = base64.b64decode(token.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": name, "webhook-timestamp": moment, "webhook-signature": signature}


async def deliver(delivery: Delivery, client: httpx.AsyncClient) -> None:
    """Send a delivery and write down what came of it."""
    try:
        answer = await client.post(
            delivery.hook.url, content=delivery.body, headers=headers_of(delivery), timeout=ANSWER_SECONDS
        )
        delivery.status_code = answer.status_code
    except httpx.HTTPError:
        delivery.status_code = 599
