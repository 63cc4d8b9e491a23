"""What goes wrong with AWS, in words. What a library raised is never chained: nobody knows what stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import botocore.exceptions as raised

from ekaci_core.api import EkaciError, InfrastructureFault, UsageFault

RAISED: Final = (raised.BotoCoreError, raised.ClientError)
"""What asking AWS raises."""

_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
    }
)
_MISSING: Final = frozenset({"ResourceNotFoundException", "InvalidRequestException", "InvalidParameterException"})
_NO_IDENTITY: Final = (
    raised.NoCredentialsError,
    raised.PartialCredentialsError,
    raised.CredentialRetrievalError,
    raised.InvalidConfigError,
    raised.ConfigParseError,
)
_NOT_LOGGED_IN: Final = (raised.SSOError, raised.UnauthorizedSSOTokenError, raised.TokenRetrievalError)
_UNREACHABLE: Final = (raised.HTTPClientError, raised.ConnectionError)

# In this order: the kind of error, what it becomes, why, and what to do; None for what the caller says of identities.
_KNOWN: Final[Sequence[tuple[type[Exception] | tuple[type[Exception], ...], type[EkaciError], str, str | None]]] = (
    (raised.ProfileNotFound, UsageFault, "there is no such profile", None),
    (_NOT_LOGGED_IN, UsageFault, "nobody is logged in by SSO, or not any more", None),
    (raised.NoRegionError, UsageFault, "no region is known", "set region, or AWS_REGION where the server is started"),
    (_NO_IDENTITY, UsageFault, "there are no usable keys to ask with", None),
    (_UNREACHABLE, InfrastructureFault, "it cannot be reached", "see whether it is reached from here; verify region"),
    (Exception, InfrastructureFault, "AWS's library gives up", "see the settings, and AWS's own files"),
)


def fault_of(error: Exception, doing: str, *, where: str, do: str, identity: str) -> EkaciError:
    """Say why something failed.

    Args:
        error: one of `RAISED`.
        doing: what was tried, as "failed to ...".
        where: source and what it reads.
        do: what to do where AWS refuses, or has nothing.
        identity: what to do where there is nobody to ask as.
    """
    if isinstance(error, raised.ClientError):
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _DENIED or code in _MISSING:
            return UsageFault(f"{doing}: {code}", where=where, do=do)
        return InfrastructureFault(f"{doing}: AWS answers {code}", where=where, do="it is tried again")
    _, kind, reason, known = next(each for each in _KNOWN if isinstance(error, each[0]))
    return kind(f"{doing}: {reason} ({type(error).__name__})", where=where, do=known or identity)
