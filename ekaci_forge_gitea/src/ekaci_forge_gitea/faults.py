"""What Gitea refuses or fails to answer, as faults that callers may meet."""

from __future__ import annotations

import re
from typing import Final

from ekaci_core.api import InfrastructureFault

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
GONE: Final = 410
TOO_MANY: Final = 429
SERVER_ERROR: Final = 500

_SHOWN_CHARACTERS: Final = 300
_STATUS: Final = "see whether the service is well; it is tried again"


class ApiFault(InfrastructureFault):
    """A request had no success.

    ``status`` is the answer's, 0 where there was none, so that a write may or may not have been done.
    ``retry_after_seconds`` is how long Gitea asks to be left alone, None where it does not say.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int = 0,
        retry_after_seconds: float | None = None,
        where: str | None = None,
        do: str = _STATUS,
    ) -> None:
        """Describe it."""
        super().__init__(what, where=where, do=do)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Misdirected(ApiFault):
    """Gitea points to where nothing of ours is sent."""


class TooLong(ApiFault):
    """The answer is longer than it may be."""


def one_line(text: str, most: int = _SHOWN_CHARACTERS) -> str:
    """Return a text of others as one short line without control characters."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+", " ", text[: most * 4]).strip()
    return line if len(line) <= most else line[: most - 1] + "…"
