"""What a server's refusals mean."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Final

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from ekaci_cache_backends.nix_copy.trouble import Trouble

_LONGEST_SECONDS: Final = 3600.0
_SERVER_ERROR: Final = 500

# By status: whether it may pass, whether the secrets are refused, and what to do.
_STATUS: Final[Mapping[int, tuple[bool, bool, str]]] = {
    400: (False, False, "see whether a binary cache that takes files is there"),
    401: (False, True, "see credentials: the server does not accept them"),
    403: (False, True, "see credentials, and what they are allowed on that server"),
    404: (False, False, "see whether the path of the destination is right"),
    405: (False, False, "the server takes no files by PUT: choose another destination"),
    407: (False, False, "a proxy stands before it, which is not supported"),
    408: (True, False, "it is tried again"),
    409: (True, False, "it is tried again"),
    411: (False, False, "see the server: it does not understand the request"),
    413: (False, False, "raise the limit of the server: the file is too large for it"),
    421: (True, False, "it is tried again"),
    423: (True, False, "it is tried again"),
    425: (True, False, "it is tried again"),
    429: (True, False, "it is tried again when the server allows"),
    501: (False, False, "the server takes no files by PUT: choose another destination"),
    505: (False, False, "see the server: it does not understand the request"),
    507: (True, False, "make room at the server"),
}
_OTHER_SERVER_ERROR: Final = (True, False, "look at the server; it is tried again")
_OTHER: Final = (False, False, "see whether a binary cache is there")


def answered(status: int, headers: Mapping[str, str], doing: str) -> Trouble:
    """Return what an answer means that is no success."""
    other = _OTHER_SERVER_ERROR if status >= _SERVER_ERROR else _OTHER
    transient, denied, do = _STATUS.get(status, other)
    after = retry_after(headers.get("Retry-After")) if transient else None
    return Trouble(f"{doing}: the server answers {status}", do, transient, denied, after)


def failed(error: HTTPError, doing: str) -> Trouble:
    """Return what it means that there is no answer. What the library says is not repeated: it may hold anything."""
    match error:
        case SSLError():
            return Trouble(f"{doing}: its certificate is not believed", "see the certificate, and SSL_CERT_FILE")
        case ConnectTimeoutError() | ReadTimeoutError():
            what = "it does not answer in time"
        case NewConnectionError():
            what = f"it cannot be reached ({type(error.__cause__).__name__})"
        case _:
            what = f"the connection broke ({type(error).__name__})"
    return Trouble(f"{doing}: {what}", "see whether it runs and is reached from here", transient=True)


def retry_after(written: str | None) -> float | None:
    """Read seconds or a date, within reason."""
    if not written:
        return None
    try:
        seconds = float(written)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(written).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_SECONDS)
