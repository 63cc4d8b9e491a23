"""A check as a commit status, within Gitea's limits. Pure.

https://docs.gitea.com/api/1.23/#tag/repository/operation/repoCreateStatus
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from ekaci_core.api import Check, CheckStatus, Conclusion
from ekaci_core.api.fields import clean
from ekaci_forge_gitea.faults import one_line

DESCRIPTION: Final = 255
"""Characters: what the page shows, and what older databases have room for."""
CONTEXT: Final = 255
COMMENT_BYTES: Final = 65_535

_MARK: Final = "\n\n*Cut here: {left} more bytes do not fit.*\n"
_SPARE_BYTES: Final = 100

# A branch that requires a status is merged on success alone. `warning` is for people and passes as little as `failure`.
_STATES: Final[Mapping[Conclusion, str]] = {
    Conclusion.SUCCESS: "success",
    Conclusion.NEUTRAL: "success",
    Conclusion.FAILURE: "failure",
    Conclusion.TIMED_OUT: "failure",
    Conclusion.CANCELLED: "error",
    # Somebody has to do something, and then it goes on.
    Conclusion.ACTION_REQUIRED: "pending",
}


class Unpublishable(ValueError):
    """A check cannot be shown as it is, however often it is tried."""


@attrs.frozen
class Status:
    """What stands at a commit under one name."""

    state: str
    context: str
    description: str
    target_url: str

    @property
    def body(self) -> dict[str, Any]:
        """What is sent to make it."""
        return attrs.asdict(self)


def status_of(check: Check) -> Status:
    """Return a check as a status.

    Raises:
        Unpublishable: it is completed without a conclusion.
    """
    url = check.details_url or ""
    return Status(
        state=_state(check),
        context=context_of(check.context),
        description=one_line(check.title, DESCRIPTION),
        target_url=url if urlsplit(url).scheme in ("http", "https") else "",
    )


def context_of(context: str) -> str:
    """Return the name that a check has at Gitea; one that is too long ends in a digest, so that it stays its own."""
    name = one_line(context, len(context) or 1)
    if len(name) <= CONTEXT:
        return name or "EkaCI"
    digest = hashlib.sha256(context.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{name[: CONTEXT - 14]}… {digest}"


def cut(text: str, most_bytes: int = COMMENT_BYTES) -> str:
    """Return a text that fits, with a mark where something is missing. Never cuts a character in two."""
    whole = clean(text)
    encoded = whole.encode()
    if len(encoded) <= most_bytes:
        return whole
    kept = encoded[: most_bytes - _SPARE_BYTES].decode(errors="ignore")
    return kept + _MARK.format(left=len(encoded) - len(kept.encode()))


def _state(check: Check) -> str:
    if check.status is not CheckStatus.COMPLETED:
        return "pending"
    if check.conclusion is None:
        raise Unpublishable("the check is completed and has no conclusion")
    return _STATES[check.conclusion]
