"""A binary cache in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread
import attrs
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from ekaci_cache_backends.nix_copy.destination import S3Place
from ekaci_cache_backends.nix_copy.lines import Lines
from ekaci_cache_backends.nix_copy.narinfo import kind_of
from ekaci_cache_backends.nix_copy.parts import in_parts
from ekaci_cache_backends.nix_copy.s3_client import host_of, s3_client
from ekaci_cache_backends.nix_copy.s3_troubles import RAISED, is_missing, trouble_of
from ekaci_core.api import AddressGuard, Lease, UsageFault

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PART_BYTES: Final = 16 * 1024 * 1024
_SMALL_BYTES: Final = 64 * 1024
_FEW: Final = 32
"""So many narinfos are asked for one by one; for more, the bucket is listed."""
_WORTH_LISTING: Final = 16
"""A page of the list is as dear as some questions: where it answers fewer, the rest is asked one by one."""
_PART_NAMES: Final = 2000
_TRANSFER: Final = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, use_threads=False)

Result = TypeVar("Result")


@attrs.frozen
class S3Shelf:
    """Asks and sends in threads, by AWS's library."""

    _place: S3Place
    _client: S3Client = attrs.field(repr=False)
    _lines: Lines
    _limiter: anyio.CapacityLimiter

    async def absent(self, names: Collection[str]) -> frozenset[str]:
        """Ask for few narinfos one by one, for many by lists of what is there."""
        if len(names) <= _FEW:
            return await in_parts(names, self._absent_by_head, self._limiter, largest=_FEW)
        return await in_parts(names, self._absent_by_list, self._limiter, smallest=_PART_NAMES, largest=10**6)

    async def read(self, name: str) -> bytes | None:
        """Get a small file."""

        def read() -> bytes | None:
            try:
                answer = self._client.get_object(Bucket=self._place.bucket, Key=self._key(name))
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
            content: bytes = answer["Body"].read(_SMALL_BYTES)
            return content

        return await self._run(read, f"GET {name}")

    async def put(self, name: str, file: Path) -> int:
        """Send a file, a large one in parts, unless it is there whole already."""

        def put() -> int:
            size = file.stat().st_size
            if size < _PART_BYTES:
                self._client.put_object(
                    Bucket=self._place.bucket, Key=self._key(name), Body=file.read_bytes(), ContentType=kind_of(name)
                )
                return size
            if self._size(name) == size:
                return 0
            with file.open("rb") as body:
                self._client.upload_fileobj(
                    body,
                    self._place.bucket,
                    self._key(name),
                    ExtraArgs={"ContentType": kind_of(name)},
                    Config=_TRANSFER,
                )
            return size

        return await self._run(put, f"PUT {name}")

    def cut(self) -> None:
        """Break off everything; what was sent in parts is taken away again."""
        self._lines.cut()

    def _absent_by_head(self, names: Sequence[str]) -> frozenset[str]:
        try:
            return frozenset(name for name in names if self._size(name) is None)
        except RAISED as error:
            raise trouble_of(error, "HEAD") from None

    def _absent_by_list(self, names: Sequence[str]) -> frozenset[str]:
        """Go through the sorted names, a page of the list at a time; every page answers for one of them at least."""
        absent: set[str] = set()
        left = list(reversed(names))
        while left:
            try:
                there, last = self._page(left[-1])
            except RAISED as error:
                raise trouble_of(error, "LIST") from None
            before = len(left)
            while left and (last is None or left[-1] <= last):
                if left[-1] not in there:
                    absent.add(left[-1])
                left.pop()
            if left and before - len(left) < _WORTH_LISTING:
                return frozenset(absent) | self._absent_by_head(left)
        return frozenset(absent)

    def _page(self, first: str) -> tuple[frozenset[str], str | None]:
        """Return names from ``first`` on, and the last that the page answers for; None for all there are."""
        prefix = self._place.prefix
        answer = self._client.list_objects_v2(
            Bucket=self._place.bucket, Prefix=prefix, StartAfter=f"{prefix}{first[:-1]}", Delimiter="/"
        )
        there = [each["Key"].removeprefix(prefix) for each in answer.get("Contents", ())]
        folders = [each["Prefix"].removeprefix(prefix) for each in answer.get("CommonPrefixes", ())]
        return frozenset(there), max([first, *there, *folders]) if answer.get("IsTruncated") else None

    def _size(self, name: str) -> int | None:
        try:
            return self._client.head_object(Bucket=self._place.bucket, Key=self._key(name))["ContentLength"]
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def _key(self, name: str) -> str:
        return f"{self._place.prefix}{name}"

    async def _run(self, work: Callable[[], Result], doing: str) -> Result:
        def told() -> Result:
            try:
                return work()
            except RAISED as error:
                raise trouble_of(error, doing) from None

        return await anyio.to_thread.run_sync(told, limiter=self._limiter)


@attrs.frozen
class S3Shelves:
    """A bucket."""

    _place: S3Place
    _addresses: AddressGuard
    _limiter: anyio.CapacityLimiter
    _seconds: int

    @property
    def where(self) -> str:
        """The bucket, and the folder in it."""
        return f"s3://{self._place.bucket}/{self._place.prefix}".rstrip("/")

    async def check(self) -> None:
        """Ask whether it may be reached; errors as for `AddressGuard.resolve`."""
        await self._addresses.resolve(*await self._host())

    async def open(self, lease: Lease) -> S3Shelf:
        """Open connections to what the bucket's name means now."""
        host, port = await self._host()
        lines = Lines({(host, port): await self._addresses.resolve(host, port)})

        def make() -> S3Client:
            try:
                connections = int(self._limiter.total_tokens)
                return s3_client(
                    self._place, lease.secrets, connections=connections, seconds=self._seconds, lines=lines
                )
            except RAISED as error:
                raise trouble_of(error, "opening it").fault(self.where) from None

        return S3Shelf(self._place, await anyio.to_thread.run_sync(make, limiter=self._limiter), lines, self._limiter)

    async def _host(self) -> tuple[str, int]:
        def ask() -> tuple[str, int]:
            try:
                return host_of(self._place)
            except (*RAISED, ValueError) as error:
                do = "see bucket, region and endpoint"
                raise UsageFault(f"it is no bucket ({type(error).__name__})", where=self.where, do=do) from None

        return await anyio.to_thread.run_sync(ask, limiter=self._limiter)
