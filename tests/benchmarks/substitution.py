"""Measure what it costs to look up many outputs in a binary cache, beside Nix's own dry run.

    python tests/benchmarks/substitution.py [LOOK-UPS [DELAY]]

Instantiates that many derivations, of which every other one is in a signed cache behind a server in a process of its
own, which waits DELAY milliseconds before each answer. Both begin without knowing anything of the cache.
"""

from __future__ import annotations

import base64
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import SocketAttribute, SocketStream
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import BuildPlan, build_plan
from ekaci_core.nix.environment import nix_environment
from ekaci_core.nix.records import read_record
from ekaci_core.nix.versions import probe
from ekaci_core.substitution import open_substitution
from ekaci_core.testing.builders import RealClock

EXPRESSION = """
let make = number: derivation {
  name = "looked-up-${toString number}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "MARK" ];
};
in builtins.genList make COUNT
"""
NAR_HASH = "sha256:03wzk1cq3sdbichqwdkvmxv8y66pcq7c24rv9cjwkf6crw241gr3"


async def serve(folder: Path, delay: float) -> None:
    """Serve a folder; print the port."""

    async def answer(stream: SocketStream) -> None:
        async with stream:
            while True:
                try:
                    request = await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return
                await anyio.sleep(delay)
                file = folder / request.split(b" ", 2)[1].decode().lstrip("/")
                there = file.is_file()
                body = file.read_bytes() if there else b""
                status = "200 OK" if there else "404 Not Found"
                await stream.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    (port,) = {each.extra(SocketAttribute.local_port) for each in listener.listeners}  # noqa: S610 - no Django here
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await listener.serve(answer)


def instantiate(folder: Path, count: int) -> list[DrvPath]:
    """Make derivations that are new to the store."""
    (folder / "many.nix").write_text(EXPRESSION.replace("MARK", uuid.uuid4().hex).replace("COUNT", str(count)))
    argv = ["nix-instantiate", str(folder / "many.nix")]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [DrvPath.parse(line) for line in done.stdout.split()]


def fill(folder: Path, drvs: list[DrvPath]) -> str:
    """Make a cache that has every other one, and return the public key."""
    key = Ed25519PrivateKey.generate()
    folder.mkdir()
    (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
    for drv in drvs[::2]:
        path = read_record(drv).outputs[0].path
        assert path is not None
        signature = base64.b64encode(key.sign(f"1;{path};{NAR_HASH};120;".encode())).decode()
        (folder / f"{path.hash_part}.narinfo").write_text(
            f"StorePath: {path}\nURL: nar/x.nar\nCompression: none\nNarHash: {NAR_HASH}\nNarSize: 120\nReferences: \n"
            f"Sig: bench:{signature}\n"
        )
    return "bench:" + base64.b64encode(key.public_key().public_bytes_raw()).decode()


def processor_time() -> float:
    """Seconds of this process and of its children that ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


async def measured(
    name: str, plan: Callable[[Collection[DrvPath]], Awaitable[BuildPlan]], drvs: list[DrvPath]
) -> float:
    """Print what one plan took and return its processor time."""
    began, before = time.perf_counter(), processor_time()
    found = await plan(drvs)
    took, used = time.perf_counter() - began, processor_time() - before
    assert len(found.to_fetch) == len(drvs[::2])
    sys.stdout.write(f"{name}: {len(drvs)} look-ups in {took:.2f} s, {used:.2f} s processor time\n")
    return used


async def compare(folder: Path, count: int, delay: float) -> None:
    """Print the figures."""
    drvs = instantiate(folder, count)
    key = fill(folder / "cache", drvs)
    argv = [sys.executable, __file__, "--serve", str(folder / "cache"), str(delay)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:  # noqa: ASYNC220 - nothing else runs
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            lines = [f"substituters = {url}", f"trusted-public-keys = {key}"]
            environment = nix_environment({**os.environ, "XDG_CACHE_HOME": str(folder / "home")}, lines=lines)
            ask_nix = partial(build_plan, environment=environment)
            async with open_substitution(
                (await probe(environment)).settings.substitution,
                environment=environment,
                clock=RealClock(),
                ask_nix=ask_nix,
                note=sys.stdout.write,
            ) as substitution:
                # Nix first: what we do introduces it to the cache.
                theirs = await measured("Nix", ask_nix, drvs)
                ours = await measured("EkaCI", substitution.plan, drvs)
            sys.stdout.write(f"processor time: {ours / theirs:.2f} times that of Nix\n")
        finally:
            server.terminate()


def main(count: int = 10_000, delay: int = 0) -> None:
    """Measure in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(compare, Path(folder), count, delay / 1000)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        anyio.run(serve, Path(sys.argv[2]), float(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
