"""Answers that are not pages: small JSON documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def json_answer(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a JSON document."""
    text = json.dumps(document, separators=(",", ":")) + "\n"
    return Response(text, status, headers=dict(headers or {}), media_type="application/json")


def failure(status: int, reason: str, *, retry_after_seconds: int | None = None, close: bool = False) -> Response:
    """Answer with ``{"error": reason}``.

    Args:
        status: the HTTP status.
        reason: a sentence for who asked; nothing that only operators may know.
        retry_after_seconds: when to ask again.
        close: end the connection, because the rest of the request is not read.
    """
    headers = {}
    if retry_after_seconds is not None:
        headers["retry-after"] = str(retry_after_seconds)
    if close:
        headers["connection"] = "close"
    return json_answer(status, {"error": reason}, headers)
