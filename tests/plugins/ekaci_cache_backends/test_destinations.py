"""Destinations as operators write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_cache_backends.nix_copy.destination import (
    FolderPlace,
    HttpPlace,
    Place,
    S3Place,
    SshPlace,
    parse_destination,
)
from ekaci_core.api import UsageFault


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("s3://bucket", S3Place(bucket="bucket")),
        ("s3://bucket/nix/cache?region=eu-west-1", S3Place(bucket="bucket", prefix="nix/cache/", region="eu-west-1")),
        ("s3://b?profile=production", S3Place(bucket="b", profile="production")),
        ("s3://b?endpoint=https://minio.example", S3Place(bucket="b", endpoint="https://minio.example")),
        (
            "s3://b?endpoint=minio.example:9000&scheme=http",
            S3Place(bucket="b", endpoint="http://minio.example:9000", scheme="http"),
        ),
        ("s3://b?endpoint=minio.example", S3Place(bucket="b", endpoint="https://minio.example")),
        ("s3://b?compression=zstd&priority=3", S3Place(bucket="b", writing={"compression": "zstd"})),
        ("https://cache.example.com", HttpPlace(url="https://cache.example.com", host="cache.example.com", port=443)),
        (
            "http://[::1]:8080/c/?compression=none",
            HttpPlace(url="http://[::1]:8080/c", host="::1", port=8080, writing={"compression": "none"}),
        ),
        ("file:///srv/my%20cache", FolderPlace(folder=Path("/srv/my cache"))),
        (
            "ssh://ci@far.example:2222?compress=true",
            SshPlace(url="ssh://ci@far.example?compress=true", host="far.example", port=2222, says_port=True),
        ),
        ("ssh-ng://far.example", SshPlace(url="ssh-ng://far.example", host="far.example", port=22, says_port=False)),
    ],
)
def test_it_is_read(written: str, place: Place) -> None:
    assert parse_destination(written) == place


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("", "the scheme is missing"),
        ("my-cache", "the scheme is missing"),
        ("ftp://cache.example", 'nobody knows the scheme "ftp"'),
        ("https://", "the host is missing"),
        ("https://ci:hunter2@cache.example", "it holds a user or password"),
        ("https://cache.example?compresion=xz", 'nobody knows the parameter "compresion"'),
        ("https://cache.example?region=eu", 'nobody knows the parameter "region"'),
        ("https://cache.example:port", "it is no address"),
        ("https://cache.example#x", "nothing may stand behind #"),
        ("file://cache", "it is no absolute path"),
        ("file://host/cache", "it is no absolute path"),
        ("s3://bucket:9000", "a bucket has neither user nor port"),
        ("s3://b?endpoint=https://u:hunter2@minio", "endpoint is more or less than an address"),
        ("s3://b?endpoint=ftp://minio", "endpoint is more or less than an address"),
        ("s3://b?endpoint=https://minio/path", "endpoint is more or less than an address"),
        ("s3://b?scheme=gopher", 'scheme is "gopher"'),
        ("s3://b?region=a&region=b", "region stands there twice"),
        ("ssh://ci:hunter2@far", "it holds a password"),
        ("ssh://-oProxyCommand=x", "it begins with a dash"),
        ("ssh://-oProxyCommand=x@far", "it begins with a dash"),
    ],
)
def test_what_is_wrong_is_named_without_secrets(written: str, what: str) -> None:
    with pytest.raises(UsageFault) as raised:
        parse_destination(written)
    assert raised.value.what.startswith(what)
    assert raised.value.where == "destination"
    assert raised.value.do
    assert "hunter2" not in f"{raised.value} {raised.value.do}"
