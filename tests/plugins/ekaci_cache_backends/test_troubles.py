"""What refusals mean: for another attempt, and for the secrets."""

from __future__ import annotations

import email.utils
import time

import botocore.exceptions as raised
import pytest
from botocore.parsers import ResponseParserError
from urllib3.exceptions import ProtocolError, SSLError

from ekaci_cache_backends.nix_copy.http_troubles import answered, failed, retry_after
from ekaci_cache_backends.nix_copy.s3_troubles import is_missing, trouble_of
from ekaci_cache_backends.nix_copy.ssh import judged
from ekaci_cache_backends.nix_copy.trouble import Trouble
from ekaci_core.api import InfrastructureFault, PushFailed, UsageFault

LATER, DENIED, LASTING = (True, False), (False, True), (False, False)


def kind(trouble: Trouble) -> tuple[bool, bool]:
    return trouble.transient, trouble.denied


def refusal(code: str, status: int = 400, **headers: str) -> raised.ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return raised.ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "PutObject")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("code", "status", "meant"),
    [
        ("SlowDown", 503, LATER),
        ("InternalError", 500, LATER),
        ("RequestTimeout", 400, LATER),
        ("SomethingNew", 502, LATER),
        ("503", 503, LATER),
        ("429", 429, LATER),
        ("AccessDenied", 403, DENIED),
        ("403", 403, DENIED),
        ("InvalidAccessKeyId", 403, DENIED),
        ("ExpiredToken", 400, DENIED),
        ("SignatureDoesNotMatch", 403, DENIED),
        ("SomethingNew", 403, DENIED),
        ("NoSuchBucket", 404, LASTING),
        ("PermanentRedirect", 301, LASTING),
        ("AuthorizationHeaderMalformed", 400, LASTING),
        ("RequestTimeTooSkewed", 403, LASTING),
        ("EntityTooLarge", 400, LASTING),
        ("SomethingNew", 400, LASTING),
    ],
)
def test_codes_of_s3(code: str, status: int, meant: tuple[bool, bool]) -> None:
    trouble = trouble_of(refusal(code, status), "PUT x")
    assert kind(trouble) == meant
    assert code in trouble.reason
    assert trouble.do


def test_s3_says_when_to_come_back_and_its_words_are_not_repeated() -> None:
    trouble = trouble_of(refusal("SlowDown", 503, **{"retry-after": "12"}), "PUT x")
    assert trouble.retry_after_seconds == 12
    assert "<script>" not in trouble_of(refusal("<script>", 500), "PUT x").reason
    assert is_missing(refusal("NoSuchKey", 404))
    assert not is_missing(refusal("NoSuchBucket", 404))


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (raised.EndpointConnectionError(endpoint_url="https://canary"), True),
        (raised.ReadTimeoutError(endpoint_url="https://canary"), True),
        (raised.ConnectionClosedError(endpoint_url="https://canary"), True),
        (ResponseParserError("canary"), True),
        (raised.SSLError(endpoint_url="https://canary", error=ValueError("x")), False),
        (raised.NoCredentialsError(), False),
        (raised.ProfileNotFound(profile="canary"), False),
        (raised.ParamValidationError(report="canary"), False),
    ],
)
def test_errors_of_the_library(error: Exception, transient: bool) -> None:  # noqa: FBT001 - a parameter of the test
    trouble = trouble_of(error, "PUT x")
    assert kind(trouble) == (transient, False)
    assert "canary" not in trouble.reason


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        (401, DENIED), (403, DENIED), (404, LASTING), (405, LASTING), (413, LASTING), (418, LASTING), (501, LASTING),
        (408, LATER), (425, LATER), (429, LATER), (500, LATER), (502, LATER), (503, LATER), (507, LATER), (599, LATER),
    ],
)  # fmt: skip
def test_statuses_of_http(status: int, meant: tuple[bool, bool]) -> None:
    trouble = answered(status, {"Retry-After": "5"}, "PUT x")
    assert kind(trouble) == meant
    assert trouble.retry_after_seconds == (5 if meant == LATER else None)
    assert str(status) in trouble.reason


def test_connections_that_fail() -> None:
    assert kind(failed(ProtocolError("canary"), "PUT x")) == LATER
    assert kind(failed(SSLError("canary"), "PUT x")) == LASTING
    assert "canary" not in failed(ProtocolError("canary"), "PUT x").reason


def test_times_to_come_back_are_within_reason() -> None:
    assert [retry_after(each) for each in (None, "", "soon", "-3", "9", "1e9")] == [None, None, None, 0, 9, 3600]
    date = retry_after(email.utils.formatdate(time.time() + 60, usegmt=True))
    assert date is not None
    assert 50 < date <= 60


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("ci@far: Permission denied (publickey).", DENIED),
        ("Host key verification failed.", LASTING),
        ("error: cannot add path because it lacks a valid signature", LASTING),
        ("ssh: connect to host far port 22: Connection refused", LATER),
        ("ssh: Could not resolve hostname far", LATER),
        ("error: unexpected end-of-file", LATER),
        ("error: something new", LASTING),
    ],
)
def test_words_of_ssh(said: str, meant: tuple[bool, bool]) -> None:
    assert kind(judged(Trouble("nix copy ended with 1", "see", said=said))) == meant


def test_a_trouble_is_an_outcome_or_a_fault() -> None:
    later = Trouble("it is busy", "wait", transient=True, retry_after_seconds=3)
    assert later.outcome("s3://b") == PushFailed("s3://b: it is busy; wait", transient=True, retry_after_seconds=3)
    assert isinstance(later.fault("s3://b"), InfrastructureFault)
    fault = Trouble("it is not there", "make it").fault("s3://b")
    assert (type(fault), fault.where, fault.do) == (UsageFault, "s3://b", "make it")
