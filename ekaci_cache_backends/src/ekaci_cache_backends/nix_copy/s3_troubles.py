"""What S3's refusals mean, and what AWS's library raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import boto3.exceptions
import botocore.exceptions as raised
from botocore.parsers import ResponseParserError

from ekaci_cache_backends.nix_copy.http_troubles import retry_after
from ekaci_cache_backends.nix_copy.s3_client import BrokenOff
from ekaci_cache_backends.nix_copy.trouble import Trouble

RAISED: Final = (
    raised.BotoCoreError,
    raised.ClientError,
    ResponseParserError,
    boto3.exceptions.Boto3Error,
    BrokenOff,
)
"""What asking S3 raises."""

_RIGHTS: Final = "see credentials, and that they may do s3:ListBucket, s3:GetObject and s3:PutObject there"
_REGION: Final = "write the region of the bucket: region=… in the destination"
_AGAIN: Final = "it is tried again"

# By code: whether it may pass, whether the keys are refused, and what to do.
_CODES: Final[Mapping[str, tuple[bool, bool, str]]] = {
    **dict.fromkeys(
        (
            "SlowDown",
            "ServiceUnavailable",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "InternalError",
            "OperationAborted",
            "RequestTimeout",
            "BadDigest",
            "IncompleteBody",
            "NoSuchUpload",
            "429",
        ),
        (True, False, _AGAIN),
    ),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AllAccessDisabled",
            "AccountProblem",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidToken",
            "InvalidSecurity",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
            "Unauthorized",
            "Forbidden",
            "401",
            "403",
        ),
        (False, True, _RIGHTS),
    ),
    "NoSuchBucket": (False, False, "make the bucket, or correct its name in the destination"),
    "InvalidBucketName": (False, False, "correct the name of the bucket in the destination"),
    "RequestTimeTooSkewed": (False, False, "set the clock of this machine"),
    "PermanentRedirect": (False, False, _REGION),
    "TemporaryRedirect": (False, False, _REGION),
    "AuthorizationHeaderMalformed": (False, False, _REGION),
    "IllegalLocationConstraintException": (False, False, _REGION),
    "301": (False, False, _REGION),
    "307": (False, False, _REGION),
    "EntityTooLarge": (False, False, "the service takes no file of this size"),
    "QuotaExceeded": (False, False, "make room in the bucket"),
    "XMinioStorageFull": (True, False, "make room at the server"),
}
_OTHER: Final = (False, False, "see what the service means by that")
_SERVER_ERROR: Final = 500

_UNREACHABLE: Final = (raised.HTTPClientError, raised.ConnectionError)
_NO_IDENTITY: Final = (
    raised.NoCredentialsError,
    raised.PartialCredentialsError,
    raised.CredentialRetrievalError,
    raised.ProfileNotFound,
    raised.InvalidConfigError,
    raised.ConfigParseError,
    raised.SSOError,
    raised.UnauthorizedSSOTokenError,
    raised.TokenRetrievalError,
)

# In this order: the kind of error, what it is, whether it may pass, and what to do.
_KINDS: Final[Sequence[tuple[type[Exception] | tuple[type[Exception], ...], str, bool, str]]] = (
    (raised.SSLError, "its certificate is not believed", False, "see the certificate, and AWS_CA_BUNDLE"),
    ((raised.ConnectTimeoutError, raised.ReadTimeoutError), "it does not answer in time", True, _AGAIN),
    (_NO_IDENTITY, "there are no usable keys of AWS", False, "see credentials, and profile= in the destination"),
    (_UNREACHABLE, "it cannot be reached", True, "see whether it is reached from here"),
    (ResponseParserError, "its answer makes no sense", True, "see whether S3 is there"),
    (BrokenOff, "it was broken off", True, _AGAIN),
    (Exception, "AWS's library gives up", False, "see the destination"),
)


def trouble_of(error: Exception, doing: str) -> Trouble:
    """Return what an error means. What a library says is not repeated, as nobody knows what stands in it."""
    if isinstance(error, raised.ClientError):
        return _refused(error, doing)
    _, what, transient, do = next(each for each in _KINDS if isinstance(error, each[0]))
    return Trouble(f"{doing}: {what} ({type(error).__name__})", do, transient=transient)


def is_missing(error: raised.ClientError) -> bool:
    """Whether a file is not there: as HEAD says it, and as GET does."""
    return _code(error) in {"404", "NoSuchKey", "NotFound"}


def _refused(error: raised.ClientError, doing: str) -> Trouble:
    code = _code(error)
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    known = _CODES.get(code) or _CODES.get(str(status))
    transient, denied, do = known or ((True, False, _AGAIN) if status >= _SERVER_ERROR else _OTHER)
    after = retry_after(metadata.get("HTTPHeaders", {}).get("retry-after")) if transient else None
    return Trouble(f"{doing}: S3 answers {code or status}", do, transient, denied, after)


def _code(error: raised.ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if code.isalnum() else ""
