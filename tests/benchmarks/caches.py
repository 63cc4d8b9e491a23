"""Measure pushes to binary caches, beside Nix's own `nix copy` to a folder, and look-ups.

    python tests/benchmarks/caches.py [SMALL [LARGE_MB [COMPRESSION [LOOK-UPS]]]]

Adds SMALL small paths and LARGE_MB of large ones to the store, pushes them to a folder and to S3 (moto, in a process of
its own), each twice, and takes them out of the store again. Then asks a cache on loopback, in a process of its own, for
LOOK-UPS paths that it does not have.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import boto3

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.plugins.ekaci_cache_backends.s3_server import s3_server

from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_core.api import CredentialUse, PushFailed, PushRequest, StorePath
from ekaci_core.nix.environment import nix_environment
from ekaci_core.testing.cache_witness import CacheWitness

LARGE_BYTES = 64 * 1024 * 1024
GOAL = 1.3
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret"}


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def add_paths(folder: Path, small: int, large_mb: int) -> list[StorePath]:
    """Add new paths to the store: some lines each, and large ones of which half can be compressed."""
    chance = random.Random()  # noqa: S311 - not a secret
    text = Path(random.__file__).read_bytes()
    files = []
    for number in range(small):
        files.append(folder / f"small-{number}")
        files[-1].write_bytes(chance.randbytes(512) + text[:1536])
    for number in range(large_mb * 1024 * 1024 // LARGE_BYTES):
        files.append(folder / f"large-{number}")
        with files[-1].open("wb") as file:
            while file.tell() < LARGE_BYTES:
                file.write(chance.randbytes(len(text)) + text)
    added: list[StorePath] = []
    for start in range(0, len(files), 200):
        done = run("nix-store", "--add", *map(str, files[start : start + 200]))
        added += map(StorePath.parse, done.split())
    for each in files:
        each.unlink()
    return added


def run(*argv: str) -> str:
    """Run a program, and return what it writes."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


@contextmanager
def timed(what: str) -> Iterator[list[float]]:
    """Print how long something took, and give the seconds."""
    took: list[float] = []
    began = time.perf_counter()
    yield took
    took.append(time.perf_counter() - began)
    say(f"{what}: {took[0]:.2f} s")


async def pushed(destination: str, paths: Sequence[StorePath], witness: CacheWitness, name: str) -> float:
    """Push twice as the server does, asking what is missing first; return the seconds of the first."""
    config = NixCopyConfig(id=name, destination=destination, credentials=CredentialUse("keys"))
    first = 0.0
    async with NixCopyType().open(config, witness.context) as cache:
        for attempt in ("first", "second"):
            with timed(f"{name}, {attempt} push") as took:
                missing = await cache.missing(paths)
                outcomes = await cache.push(PushRequest([path for path in paths if path in missing], lambda _: None))
            failed = [each for each in outcomes.values() if isinstance(each, PushFailed)]
            assert not failed, failed[0]
            assert len(outcomes) == (len(paths) if attempt == "first" else 0)
            if attempt == "first":
                first = took[0]
            else:
                say(f"  goal for the second: 2 s, {'kept' if took[0] < 2 else 'missed'}")
    return first


async def compare(folder: Path, small: int, large_mb: int, compression: str) -> None:
    """Print the ratios."""
    environment = nix_environment({**os.environ, "XDG_CACHE_HOME": str(folder / "home")})
    witness = CacheWitness({**environment, "TMPDIR": str(folder)}, leases={"keys": [KEYS]})
    with timed(f"adding {small} small paths and {large_mb} MB of large ones"):
        paths = add_paths(folder, small, large_mb)
    try:
        with timed("nix copy to a folder") as bare:
            bare_folder = f"file://{folder}/bare?compression={compression}"
            for start in range(0, len(paths), 5000):
                run("nix", "copy", "--no-recursive", "--to", bare_folder, *paths[start : start + 5000])
        ours = {"folder": await pushed(f"file://{folder}/ours?compression={compression}", paths, witness, "folder")}
        with s3_server() as server:
            session = boto3.Session("bench", "bench", region_name="us-east-1")
            session.client("s3", endpoint_url=server.url).create_bucket(Bucket="bench")
            destination = f"s3://bench?endpoint={server.url}&compression={compression}"
            ours["S3"] = await pushed(destination, paths, witness, "S3")
        for name, seconds in ours.items():
            ratio = seconds / bare[0]
            say(f"{name}: {ratio:.2f} times nix copy (goal {GOAL}, {'kept' if ratio <= GOAL else 'missed'})")
    finally:
        for start in range(0, len(paths), 2000):
            run("nix-store", "--delete", *paths[start : start + 2000])


class Nothing(asyncio.Protocol):
    """A cache that has nothing, over HTTP, as quick as Python can."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request."""
        *whole, self._data = (self._data + data).split(b"\r\n\r\n")
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" * len(whole))


async def serve() -> None:
    """Run a cache that has nothing; print the port."""
    server = await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", 0)
    say(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


async def look_up(count: int) -> None:
    """Ask for many paths."""
    paths = [StorePath(f"/nix/store/{number:032d}-none") for number in range(count)]
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:  # noqa: ASYNC220 - nothing else runs
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            config = NixCopyConfig(id="none", destination=url)
            async with NixCopyType().open(config, CacheWitness(dict(os.environ)).context) as cache:
                with timed(f"{count} look-ups") as took:
                    assert await cache.missing(paths) == frozenset(paths)
            say(f"  {count / took[0]:.0f} in a second (goal 1250)")
        finally:
            server.terminate()


def main(small: str = "2000", large_mb: str = "2048", compression: str = "xz", look_ups: str = "150000") -> None:
    """Measure in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(compare, Path(folder), int(small), int(large_mb), compression)
    anyio.run(look_up, int(look_ups))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve())
    else:
        main(*sys.argv[1:])
