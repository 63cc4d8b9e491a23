"""Binary caches in buckets: the contract, against moto, and what is peculiar to S3."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING

import attrs
import boto3
import pytest
from botocore.config import Config
from tests.plugins.ekaci_cache_backends.conftest import KeyPair
from tests.plugins.ekaci_cache_backends.s3_server import Relay, S3Server, s3_server
from tests.plugins.ekaci_cache_backends.workshop import Workshop

from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_core.api import Cache, CredentialUse, StorePath
from ekaci_core.testing.cache_laboratory import CacheLaboratory, Trouble
from ekaci_core.testing.cache_witness import CacheWitness
from ekaci_core.testing.caches import CacheConformance

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = [pytest.mark.anyio, pytest.mark.nix]

KEYS = ("canary-key-of-yesterday", "canary-key-of-today")


@contextmanager
def client(url: str) -> Iterator[S3Client]:
    session = boto3.Session("looker", "looker", region_name="eu-north-1")
    made = session.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}))
    try:
        yield made
    finally:
        made.close()


@attrs.frozen
class S3Laboratory:
    """A bucket."""

    witness: CacheWitness
    workshop: Workshop
    server: S3Server
    relay: Relay
    bucket: str
    troubles: frozenset[Trouble] = frozenset(Trouble)
    says_order: bool = False

    def config(self, **more: object) -> NixCopyConfig:
        destination = f"s3://{self.bucket}/nix?region=eu-north-1&endpoint={self.relay.url}"
        values = {"id": "s3", "destination": destination, "timeout_seconds": 2, **more}
        return NixCopyConfig(credentials=CredentialUse("keys"), signing_key=CredentialUse("key"), **values)  # type: ignore[arg-type]

    def open(self) -> AbstractAsyncContextManager[Cache]:
        return NixCopyType().open(self.config(), self.witness.context)

    async def path(self, *references: StorePath) -> StorePath:
        return await self.workshop.path(*references)

    async def held(self) -> Sequence[StorePath]:
        self.server.tell()
        with client(self.server.url) as looking:
            return self.whole(looking)

    def whole(self, looking: S3Client) -> list[StorePath]:
        listed = looking.list_objects_v2(Bucket=self.bucket, Prefix="nix/").get("Contents", ())
        objects = {each["Key"]: each["Size"] for each in listed}
        found = []
        for key in objects:
            if key.endswith(".narinfo"):
                text = looking.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
                fields = dict(line.partition(": ")[::2] for line in text.splitlines())
                assert objects[f"nix/{fields['URL']}"] == int(fields["FileSize"])
                found.append(StorePath(fields["StorePath"]))
        return found

    async def make(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.UNREACHABLE:
                self.relay.stop()
            case Trouble.EXPIRED:
                self.server.tell(accepted=[KEYS[1]], code="ExpiredToken")
            case Trouble.DENIED:
                self.server.tell(accepted=[])
            case _:
                self.server.tell(trouble=trouble.value)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def s3_laboratory(server: S3Server, workshop: Workshop, key_pair: KeyPair) -> Iterator[S3Laboratory]:
    server.tell()
    bucket = f"cache-{uuid.uuid4().hex}"
    with client(server.url) as making:
        making.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    keys = [{"AWS_ACCESS_KEY_ID": each, "AWS_SECRET_ACCESS_KEY": f"secret-{each}"} for each in KEYS]
    leases = {"keys": keys, "key": [{"NIX_SIGNING_KEY": key_pair.secret}]}
    with Relay(server.port) as relay:
        yield S3Laboratory(CacheWitness(workshop.environment, leases=leases), workshop, server, relay, bucket)


class TestS3(CacheConformance):
    @pytest.fixture
    async def laboratory(self, s3_laboratory: S3Laboratory) -> CacheLaboratory:
        return s3_laboratory
