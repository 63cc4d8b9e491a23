"""A real Attic server, where ``EKACI_TEST_ATTICD`` names its program: ``atticd`` of https://github.com/zhaofengli/attic."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import jwt
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_laboratory import RealAttic

_KEY: Final = b"a key of tests, long enough for the algorithm that it is for"
_CLAIMS: Final = "https://jwt.attic.rs/v1"
_PATIENCE_SECONDS: Final = 60
_CONFIGURATION: Final = """
listen = "127.0.0.1:{port}"
allowed-hosts = []
[database]
url = "sqlite://{folder}/server.db?mode=rwc"
[storage]
type = "local"
path = "{folder}/storage"
[chunking]
nar-size-threshold = 65536
min-size = 16384
avg-size = 65536
max-size = 262144
[compression]
type = "zstd"
[garbage-collection]
interval = "0s"
[jwt.signing]
token-hs256-secret-base64 = "{key}"
"""


def token(**rights: int) -> str:
    claims = {"sub": "tests", "exp": int(time.time()) + 3600, _CLAIMS: {"caches": {"*": rights}}}
    return jwt.encode(claims, _KEY, algorithm="HS256")


@contextmanager
def real_attic(program: str, folder: Path) -> Iterator[RealAttic]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "storage").mkdir()
    configuration = folder / "server.toml"
    configuration.write_text(
        _CONFIGURATION.format(port=port, folder=folder, key=base64.b64encode(_KEY).decode()),
    )
    address = f"http://127.0.0.1:{port}"
    for mode in ("db-migrations", "api-server"):
        command = [program, "--config", str(configuration), "--mode", mode]
        if mode == "db-migrations":
            subprocess.run(command, check=True, capture_output=True)
            continue
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _prepare(address, process)
            yield RealAttic(address, folder / "server.db", "main", [token(r=1, w=1), token(r=1)])
        finally:
            process.terminate()
            process.wait(_PATIENCE_SECONDS)


def _prepare(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    content = {
        "keypair": "Generate",
        "is_public": True,
        "store_dir": "/nix/store",
        "priority": 41,
        "upstream_cache_key_names": ["upstream.example-1"],
    }
    while True:
        try:
            _ask(f"{address}/_api/v1/cache-config/main", content)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()) from None
        except OSError:
            assert process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.05)  # it says nowhere else that it is ready
        else:
            return


def _ask(url: str, content: Mapping[str, Any]) -> None:
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {token(r=1, w=1, cc=1)}"}
    request = urllib.request.Request(url, json.dumps(content).encode(), fields)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - likewise
        pass
