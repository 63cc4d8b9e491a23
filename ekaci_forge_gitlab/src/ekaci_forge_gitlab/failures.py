"""What became of a write that had no success, and when to try again."""

from __future__ import annotations

from typing import Final

from ekaci_core.api import EkaciError, PublishFailed
from ekaci_forge_gitlab.faults import BAD_REQUEST, CONFLICT, GONE, NOT_FOUND, SERVER_ERROR, UNAUTHORIZED, ApiFault

AT_ONCE_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 15.0
_NO_TOKEN_SECONDS: Final = 60.0


def failed(fault: EkaciError, *, had_remote: bool) -> PublishFailed:
    """Say what became of a write, and when to try again. Pure."""
    reason = str(fault)
    if not isinstance(fault, ApiFault):
        return PublishFailed(reason, _NO_TOKEN_SECONDS)
    if fault.retry_after_seconds is not None:
        return PublishFailed(reason, fault.retry_after_seconds, limited=fault.status < SERVER_ERROR)
    if fault.status in (NOT_FOUND, GONE) and had_remote:
        return PublishFailed(reason, AT_ONCE_SECONDS, forget=True)
    if fault.status == UNAUTHORIZED:
        return PublishFailed(reason, _NO_TOKEN_SECONDS)
    if BAD_REQUEST <= fault.status < SERVER_ERROR and fault.status != CONFLICT:
        return PublishFailed(reason)
    # No answer, one that is none, or one that may be another the next time.
    return PublishFailed(reason, _AGAIN_SECONDS)
