"""What goes wrong with AWS, in words. What a library raised is never chained: nobody knows what stands in it."""

from __future__ import annotations

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
_UNREACHABLE: Final = (raised.HTTPClientError, raised.ConnectionError, raised.EndpointConnectionError)


def fault_of(error: Exception, doing: str, *, where: str, do: str, identity: str) -> EkaciError:
    """Say why something failed.

    Args:
        error: one of `RAISED`.
        doing: what was tried, as "failed to ...".
        where: source and what it reads.
        do: what to do where AWS refuses, or has nothing.
        identity: what to do where there is nobody to ask as.
    """
    match error:
        case raised.ClientError():
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            if code in _DENIED or code in _MISSING:
                return UsageFault(f"{doing}: {code}", where=where, do=do)
            return InfrastructureFault(f"{doing}: AWS answers {code}", where=where, do="it is tried again")
        case raised.ProfileNotFound():
            return UsageFault(f"{doing}: there is no such profile", where=where, do=identity)
        case raised.SSOError() | raised.UnauthorizedSSOTokenError() | raised.TokenRetrievalError():
            return UsageFault(f"{doing}: nobody is logged in by SSO, or not any more", where=where, do=identity)
        case raised.NoRegionError():
            what, do = f"{doing}: no region is known", "set region, or AWS_REGION where the server is started"
            return UsageFault(what, where=where, do=do)
        case _ if isinstance(error, _NO_IDENTITY):
            return UsageFault(f"{doing}: there are no keys to ask with ({type(error).__name__})", where=where, do=identity)
        case _ if isinstance(error, _UNREACHABLE):
            what, do = f"{doing}: it cannot be reached", "see whether it can be reached from here, and verify region"
            return InfrastructureFault(what, where=where, do=do)
        case _:
            what, do = f"{doing}: {type(error).__name__}", "see the settings of the source, and AWS's own files"
            return InfrastructureFault(what, where=where, do=do)
