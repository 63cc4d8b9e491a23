"""A check as a commit status, within GitLab's limits. Pure.

https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ekaci_core.api import Check, CheckStatus, Conclusion
from ekaci_forge_gitlab.faults import one_line

LONGEST: Final = 255
"""Characters of name, description and address."""

_RUNNING: Final[Mapping[CheckStatus, str]] = {CheckStatus.QUEUED: "pending", CheckStatus.IN_PROGRESS: "running"}
_ENDED: Final[Mapping[Conclusion, str]] = {
    Conclusion.SUCCESS: "success",
    # GitLab has nothing between; what a check says beside it stands in its description.
    Conclusion.NEUTRAL: "success",
    Conclusion.FAILURE: "failed",
    Conclusion.TIMED_OUT: "failed",
    Conclusion.CANCELLED: "canceled",
    # It holds merging up, and is not red.
    Conclusion.ACTION_REQUIRED: "pending",
}


class Unpublishable(ValueError):
    """A check cannot be shown as it is, however often it is tried."""


def body_of(check: Check) -> dict[str, Any]:
    """Return what is sent, without pipeline and ref.

    Raises:
        Unpublishable: it is completed without a conclusion.
    """
    body: dict[str, Any] = {
        "state": state_of(check),
        "name": name_of(check.context),
        "description": one_line(check.title, LONGEST) or name_of(check.context),
    }
    address = check.details_url or ""
    if urlsplit(address).scheme in ("http", "https") and len(address) <= LONGEST:
        body["target_url"] = address
    return body


def state_of(check: Check) -> str:
    """Return GitLab's word for how far a check is.

    Raises:
        Unpublishable: it is completed without a conclusion.
    """
    if check.status is not CheckStatus.COMPLETED:
        return _RUNNING[check.status]
    if check.conclusion is None:
        raise Unpublishable("the check is completed and has no conclusion")
    return _ENDED[check.conclusion]


def name_of(context: str) -> str:
    """Return the name that a check has at GitLab; one that is too long ends in a digest, so that it stays its own."""
    name = one_line(context, len(context) or 1)
    if len(name) <= LONGEST:
        return name or "EkaCI"
    digest = hashlib.sha256(context.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{name[: LONGEST - 14]}… {digest}"
