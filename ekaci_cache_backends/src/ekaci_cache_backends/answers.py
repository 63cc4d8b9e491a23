"""What the status of an HTTP answer means for a cache."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ekaci_cache_backends.judgement import readable
from ekaci_cache_backends.refusals import CacheBusy, CredentialsRefused
from ekaci_core.api import EkaciError, UsageFault

if TYPE_CHECKING:
    from ekaci_cache_backends.guarded_http import Answer

_SHOWN: Final = 200
_BUSY: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


def fault_of(answer: Answer, where: str, *, asked: str) -> EkaciError:
    """Turn an answer that is none into a fault.

    Args:
        answer: with a status other than 200.
        where: the cache in messages.
        asked: what was asked, to follow "asked".
    """
    said = f"asked {asked}, it answers {answer.status}{_words(answer)}"
    status = answer.status
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return CredentialsRefused(said, where=where, do="see that the token is valid and may push there")
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return CacheBusy(said, where=where, seconds=answer.retry_after_seconds)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return UsageFault(
            f"asked {asked}, it redirects elsewhere, where the token must not go",
            where=where,
            do="write the address at which the service itself answers",
        )
    if status == HTTPStatus.NOT_FOUND:
        return UsageFault(said, where=where, do="see whether the cache exists, and whether the address is right")
    return UsageFault(said, where=where, do="see what the server's log says of it")


def _words(answer: Answer) -> str:
    try:
        content = answer.json()
    except ValueError:
        return ""
    message = content.get("message") if isinstance(content, dict) else content
    if not isinstance(message, str) or not message.strip():
        return ""
    text = " ".join(readable(message).split())
    return f" ({text if len(text) <= _SHOWN else text[: _SHOWN - 3] + '...'})"
