"""A check as the body of requests, within GitHub's limits. Pure.

https://docs.github.com/en/rest/checks/runs#create-a-check-run
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from ekaci_core.api import Annotation, Check, CheckStatus
from ekaci_core.api.fields import clean
from ekaci_forge_github.faults import one_line

# The description says characters; what GitHub counts are bytes: https://github.com/github/docs/issues/35252
TEXT_BYTES: Final = 65_535
COMMENT_BYTES: Final = 65_535
ANNOTATIONS: Final = 50
"""In one request."""
BUTTONS: Final = 3

_LABEL: Final = 20
_DESCRIPTION: Final = 40
_IDENTIFIER: Final = 20
_TITLE: Final = 255
_NAME: Final = 255
_MESSAGE_BYTES: Final = 64 * 1024 - 1
_FENCE: Final = "```"
_MARK: Final = "\n\n*Cut here: {left} more bytes do not fit.*\n"
_SPARE_BYTES: Final = 100


class Unpublishable(ValueError):
    """A check cannot be shown as it is, however often it is tried."""


def body_of(check: Check) -> dict[str, Any]:
    """Return what is sent to make the check or to change it, without name of the commit and annotations.

    Raises:
        Unpublishable: it is completed without a conclusion, or a button cannot be recognised again.
    """
    name = name_of(check.context)
    title = one_line(check.title, _TITLE) or name
    summary = cut(check.summary, TEXT_BYTES)
    body: dict[str, Any] = {
        "name": name,
        "status": check.status.value,
        # GitHub takes neither without the other, nor an empty one.
        "output": {"title": title, "summary": summary if summary.strip() else title},
        "actions": _actions(check),
    }
    if check.text:
        body["output"]["text"] = cut(check.text, TEXT_BYTES)
    if check.external_id:
        body["external_id"] = check.external_id
    if check.details_url and urlsplit(check.details_url).scheme in ("http", "https"):
        body["details_url"] = check.details_url
    if check.started_at is not None:
        body["started_at"] = _time(check.started_at)
    if check.status is CheckStatus.COMPLETED:
        if check.conclusion is None:
            raise Unpublishable("the check is completed and has no conclusion")
        body["conclusion"] = check.conclusion.value
        if check.completed_at is not None:
            body["completed_at"] = _time(check.completed_at)
    return body


def name_of(context: str) -> str:
    """Return the name that a check has at GitHub; one that is too long ends in a digest, so that it stays its own."""
    name = one_line(context, len(context) or 1)
    if len(name) <= _NAME:
        return name or "EkaCI"
    digest = hashlib.sha256(context.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{name[: _NAME - 14]}… {digest}"


def _actions(check: Check) -> list[dict[str, str]]:
    for button in check.buttons:
        # Cut, it would come back as another one.
        if not button.identifier or len(button.identifier) > _IDENTIFIER:
            raise Unpublishable(f"a button's identifier has not 1 to {_IDENTIFIER} characters")
    return [
        {
            "label": one_line(button.label, _LABEL),
            "description": one_line(button.description, _DESCRIPTION),
            "identifier": button.identifier,
        }
        for button in check.buttons[:BUTTONS]
    ]


def annotation_bodies(annotations: Sequence[Annotation]) -> list[dict[str, Any]]:
    """Return annotations as they are sent, in their order and each once."""
    bodies: list[dict[str, Any]] = []
    for each in annotations:
        body: dict[str, Any] = {
            "path": clean(each.path),
            "start_line": max(each.line, 1),
            "end_line": max(each.line, 1),
            "annotation_level": each.level.value,
            "message": cut(each.message, _MESSAGE_BYTES) or "(no message)",
        }
        if each.title:
            body["title"] = one_line(each.title, _TITLE)
        if body not in bodies:
            bodies.append(body)
    return bodies


def cut(text: str, most_bytes: int) -> str:
    """Return a text that fits, with a mark where something is missing. Never cuts a character in two."""
    whole = clean(text)
    encoded = whole.encode()
    if len(encoded) <= most_bytes:
        return whole
    kept = encoded[: most_bytes - _SPARE_BYTES].decode(errors="ignore")
    line_end = kept.rfind("\n", len(kept) * 9 // 10)
    if line_end > 0:
        kept = kept[:line_end]
    # What stands open would show the mark as part of a log.
    fenced = sum(line.startswith(_FENCE) for line in kept.splitlines()) % 2
    closing = f"\n{_FENCE}" if fenced else ""
    return kept + closing + _MARK.format(left=len(encoded) - len(kept.encode()))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
