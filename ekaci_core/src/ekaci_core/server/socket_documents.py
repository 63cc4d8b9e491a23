"""Records as JSON, as commands get them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio.to_thread

from ekaci_core.api import PullRequest
from ekaci_core.model.review import Occasion
from ekaci_core.store.delivery import Delivery
from ekaci_core.store.outbox import Post
from ekaci_core.store.review import ReviewRecord


def review_document(record: ReviewRecord) -> dict[str, Any]:
    """Write a review without its report."""
    wish = record.wish
    local = wish.occasion is Occasion.DIRECTORY
    return {
        "id": record.id,
        "repository": wish.ref if local else str(wish.repository),
        "occasion": wish.occasion.value,
        "number": wish.number,
        "base": None if local else wish.base,
        "file": (wish.base or None) if local else None,
        "sha": wish.head_sha,
        "author": wish.author,
        "trusted": wish.trusted,
        "state": record.state.value,
        "live": record.state.is_live,
        "decision": record.decision,
        "detail": record.detail,
        "round": record.round,
        "asked_at": record.asked_at,
        "changed_at": record.changed_at,
    }


def pull_request_document(pull: PullRequest, review: ReviewRecord | None) -> dict[str, Any]:
    """Write a pull request and the newest review of it."""
    return {
        "repository": str(pull.repository),
        "number": pull.number,
        "title": pull.title,
        "author": pull.author.login,
        "state": pull.state.value,
        "draft": pull.draft,
        "base": pull.base,
        "sha": pull.head_sha,
        "updated_at": pull.updated_at,
        "review": None if review is None else review_document(review),
    }


def check_document(post: Post) -> dict[str, Any]:
    """Write what is wanted to stand at a commit, and whether the forge shows it."""
    check = post.check
    return {
        "context": check.context,
        "status": check.status.value,
        "conclusion": None if check.conclusion is None else check.conclusion.value,
        "title": check.title,
        "sent": post.sent >= post.version,
        "fault": post.fault,
    }


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """Write a delivery without what it said."""
    return {
        "id": delivery.id,
        "forge": delivery.forge,
        "instance": delivery.instance,
        "name": delivery.name,
        "kind": delivery.kind,
        "received_at": delivery.received_at,
        "state": delivery.state.value,
        "handled_at": delivery.handled_at,
        "outcome": delivery.outcome,
        "attempts": delivery.attempts,
    }


async def report_document(text: str) -> Mapping[str, Any] | None:
    """Read a stored report, which may have megabytes; None where there is none."""
    if not text:
        return None
    document: Mapping[str, Any] = await anyio.to_thread.run_sync(json.loads, text)
    return document
