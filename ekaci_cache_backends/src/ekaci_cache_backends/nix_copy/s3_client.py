"""AWS's library, told where it may connect to and as whom it asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs
import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool, AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from ekaci_cache_backends.nix_copy.destination import S3Place
from ekaci_cache_backends.nix_copy.lines import Lines, pool_classes
from ekaci_core.api import Secret, UsageFault

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_KEYS: Final = (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"))
_TOKEN: Final = "AWS_SESSION_TOKEN"  # noqa: S105 - a name
_CONNECT_SECONDS: Final = 10
_ATTEMPTS: Final = 2
_PORTS: Final = {"http": 80, "https": 443}


class BrokenOff(Exception):
    """The push was given up."""


def s3_client(
    place: S3Place, secrets: Mapping[str, Secret], *, lines: Lines | None = None, connections: int = 1, seconds: int = 1
) -> S3Client:
    """Make a client.

    Args:
        place: the bucket.
        secrets: keys of AWS; none for the profile of ``place``, and without one for nobody.
        connections: so many are kept.
        seconds: so long may the other side be silent.
        lines: where it connects to; None for a client that asks nobody.

    Raises:
        UsageFault: there are secrets, and no keys of AWS.
        BotoCoreError: the profile is not there, or is no use.
    """
    keys = _keys(secrets)
    session = boto3.Session(profile_name=None if keys else place.profile)
    settings: dict[str, Any] = {
        "s3": {"addressing_style": "path" if place.endpoint else "auto"},
        # Servers beside AWS's own do not know these checksums; FileHash stands in the narinfo.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "ignore_configured_endpoint_urls": True,  # the destination says it all
    }
    if not keys and not place.profile:
        settings["signature_version"] = UNSIGNED
    config = Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}, **settings)
    client = session.client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint,
        use_ssl=place.scheme == "https",
        config=config,
        **keys,
    )
    if lines is not None:
        _pin(client, lines, connections, seconds)
    return client


def host_of(place: S3Place) -> tuple[str, int]:
    """Return where the files of a bucket are: AWS's library decides, so it is asked, and its request is not sent."""
    urls: list[str] = []

    def note(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        urls.append(request.url)
        return AWSResponse(request.url, 404, HTTPHeaders(), _Nothing())

    client = s3_client(attrs.evolve(place, profile=None), {})
    _before_sending(client, note)
    with suppress(ClientError):  # 404, as it was told
        client.head_object(Bucket=place.bucket, Key="nix-cache-info")
    url = urlsplit(urls[0])
    return url.hostname or "", url.port or _PORTS[url.scheme]


def _pin(client: S3Client, lines: Lines, connections: int, seconds: int) -> None:
    """Have the library's own transport send, but over these lines."""
    given: dict[str, Any] = {
        "verify": os.environ.get("AWS_CA_BUNDLE") or True,
        "timeout": (min(_CONNECT_SECONDS, seconds), seconds),
        "max_pool_connections": connections,
    }
    transport: Any = URLLib3Session(**given)
    transport._manager.pool_classes_by_scheme = pool_classes(lines, AWSHTTPConnectionPool, AWSHTTPSConnectionPool)  # noqa: SLF001 - it has no other way

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        is_abort = request.method == "DELETE" and "uploadId=" in request.url
        if lines.is_cut and not is_abort:  # what was begun at the other side is still taken away
            raise BrokenOff
        answer: AWSResponse = transport.send(request)
        return answer

    lines.afterwards.append(transport.close)
    _before_sending(client, send)


def _before_sending(client: S3Client, call: Callable[..., AWSResponse]) -> None:
    hook: Any = call  # its stubs do not know that it may answer
    client.meta.events.register("before-send.s3", hook)


def _keys(secrets: Mapping[str, Secret]) -> dict[str, str]:
    if not secrets:
        return {}
    for key, secret in _KEYS:
        if key in secrets and secret in secrets:
            token = secrets.get(_TOKEN)
            return {
                "aws_access_key_id": secrets[key].reveal().strip(),
                "aws_secret_access_key": secrets[secret].reveal().strip(),
                **({"aws_session_token": token.reveal().strip()} if token else {}),
            }
    found = ", ".join(sorted(secrets))
    do = "let the source give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    raise UsageFault(f"there are no keys of AWS: there is {found}", where="credentials", do=do)


class _Nothing:
    """The body of an answer that nobody gave."""

    def stream(self) -> Iterator[bytes]:
        """Return nothing."""
        return iter(())
