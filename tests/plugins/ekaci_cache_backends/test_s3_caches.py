"""Binary caches in buckets: the contract, against moto, and what is peculiar to S3."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import attrs
import boto3
import pytest
from botocore.config import Config
from tests.plugins.ekaci_cache_backends.conftest import KeyPair
from tests.plugins.ekaci_cache_backends.s3_server import Relay, S3Server, s3_server
from tests.plugins.ekaci_cache_backends.workshop import Workshop

from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_core.api import Cache, CredentialUse, Pushed, PushFailed, PushOutcome, PushRequest, StorePath
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


async def push(laboratory: S3Laboratory, config: NixCopyConfig, *paths: StorePath) -> dict[StorePath, PushOutcome]:
    async with NixCopyType().open(config, laboratory.witness.context) as cache:
        return dict(await cache.push(PushRequest(paths, laboratory.witness.write_log)))


def unknown(count: int) -> list[StorePath]:
    return [
        StorePath(f"/nix/store/{hashlib.sha256(bytes([n % 256, n // 256])).hexdigest()[:32]}-x") for n in range(count)
    ]


async def test_many_paths_are_looked_for_by_lists(s3_laboratory: S3Laboratory) -> None:
    """More than a page of them, between others that nobody asks for."""
    paths = unknown(2600)
    with client(s3_laboratory.server.url) as making:
        for path in paths[::2]:
            making.put_object(Bucket=s3_laboratory.bucket, Key=f"nix/{path.hash_part}.narinfo", Body=b"x")
        making.put_object(Bucket=s3_laboratory.bucket, Key="nix/nar/some.nar.xz", Body=b"x")
    async with NixCopyType().open(s3_laboratory.config(timeout_seconds=30), s3_laboratory.witness.context) as cache:
        assert await cache.missing(paths) == frozenset(paths[1::2])
        assert await cache.missing(paths[:100]) == frozenset(paths[1:100:2])


async def test_few_paths_in_a_full_bucket_are_looked_for_one_by_one(s3_laboratory: S3Laboratory) -> None:
    """Where a page of the list answers for hardly any of them."""
    paths = unknown(1300)
    with client(s3_laboratory.server.url) as making:
        for path in paths[100:]:
            making.put_object(Bucket=s3_laboratory.bucket, Key=f"nix/{path.hash_part}.narinfo", Body=b"x")
    async with NixCopyType().open(s3_laboratory.config(timeout_seconds=30), s3_laboratory.witness.context) as cache:
        assert await cache.missing([*paths[:20], *paths[-20:]]) == frozenset(paths[:20])


async def test_a_large_file_goes_in_parts_and_is_not_sent_twice(s3_laboratory: S3Laboratory) -> None:
    path = await s3_laboratory.workshop.file(f"large-{uuid.uuid4().hex}", os.urandom(40 * 1024 * 1024))
    destination = f"{s3_laboratory.config().destination}&compression=none"
    config = s3_laboratory.config(destination=destination, timeout_seconds=30)
    outcome = (await push(s3_laboratory, config, path))[path]
    assert isinstance(outcome, Pushed)
    assert outcome.sent_bytes is not None
    assert outcome.sent_bytes > 40 * 1024 * 1024
    assert await s3_laboratory.held() == [path]
    with client(s3_laboratory.server.url) as looking:
        parts = looking.list_objects_v2(Bucket=s3_laboratory.bucket, Prefix="nix/nar/")["Contents"]
        assert [each["ETag"].rpartition("-")[2] for each in parts] == ['3"']
        looking.delete_object(Bucket=s3_laboratory.bucket, Key=f"nix/{path.hash_part}.narinfo")
    again = (await push(s3_laboratory, config, path))[path]
    assert isinstance(again, Pushed)
    assert again.sent_bytes is not None
    assert again.sent_bytes < 10_000


async def test_a_large_file_that_is_given_up_leaves_no_parts(s3_laboratory: S3Laboratory) -> None:
    path = await s3_laboratory.workshop.file(f"large-{uuid.uuid4().hex}", os.urandom(40 * 1024 * 1024))
    config = s3_laboratory.config(
        destination=f"{s3_laboratory.config().destination}&compression=none", timeout_seconds=30
    )
    with client(s3_laboratory.server.url) as looking:
        s3_laboratory.server.tell(trouble="hanging", only="partNumber=2")
        async with (
            NixCopyType().open(config, s3_laboratory.witness.context) as cache,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(cache.push, PushRequest([path], s3_laboratory.witness.write_log))
            await anyio.to_thread.run_sync(s3_laboratory.server.await_hanging)
            tasks.cancel_scope.cancel()
        s3_laboratory.server.tell()
        assert "Uploads" not in looking.list_multipart_uploads(Bucket=s3_laboratory.bucket)
    assert await s3_laboratory.held() == []


async def test_a_bucket_that_is_not_there_is_no_fault_that_passes(s3_laboratory: S3Laboratory) -> None:
    path = await s3_laboratory.path()
    destination = f"s3://nobody-made-it?endpoint={s3_laboratory.relay.url}"
    failed = (await push(s3_laboratory, s3_laboratory.config(destination=destination), path))[path]
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert "NoSuchBucket" in failed.reason


async def test_a_busy_service_says_when_to_come_back(s3_laboratory: S3Laboratory) -> None:
    await s3_laboratory.make(Trouble.BROKEN)
    path = await s3_laboratory.path()
    failed = (await push(s3_laboratory, s3_laboratory.config(), path))[path]
    assert isinstance(failed, PushFailed)
    assert (failed.transient, failed.retry_after_seconds) == (True, 7)


async def test_a_profile_of_the_servers_user_signs(
    s3_laboratory: S3Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = "[cache]\naws_access_key_id = of-the-profile\naws_secret_access_key = secret\n"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(written(tmp_path / "credentials", keys)))
    s3_laboratory.server.tell(accepted=["of-the-profile"])
    path = await s3_laboratory.path()
    destination = f"{s3_laboratory.config().destination}&profile="
    nobody = attrs.evolve(s3_laboratory.config(), credentials=CredentialUse("none"))
    failed = (await push(s3_laboratory, attrs.evolve(nobody, destination=f"{destination}other"), path))[path]
    assert isinstance(failed, PushFailed)
    assert "ProfileNotFound" in failed.reason
    assert isinstance(
        (await push(s3_laboratory, attrs.evolve(nobody, destination=f"{destination}cache"), path))[path], Pushed
    )


async def test_secrets_that_are_no_keys_are_named(s3_laboratory: S3Laboratory) -> None:
    path = await s3_laboratory.path()
    config = attrs.evolve(s3_laboratory.config(), credentials=CredentialUse("key"))
    failed = (await push(s3_laboratory, config, path))[path]
    assert isinstance(failed, PushFailed)
    assert "there are no keys of AWS: there is NIX_SIGNING_KEY" in failed.reason


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file
