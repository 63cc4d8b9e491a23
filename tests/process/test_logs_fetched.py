"""``ekaci logs`` of what was built elsewhere: from a real cache, over HTTP."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from ekaci_core.logs import BuildLog, LogFiles, log_of
from ekaci_core.testing.binary_cache import Behaviour, CacheServer, Reply

pytestmark = pytest.mark.nix

EKACI = str(Path(sys.executable).parent / "ekaci")
HASH = "0123456789abcdfghijklmnpqrsvwxyz"
NAME = f"{HASH}-elsewhere-1.drv"
DRV = f"/nix/store/{NAME}"
LOG = b"made \x1b[31melsewhere\x1b[0m\nand well\n"


@pytest.fixture
def path() -> Path:
    return log_of(Path(os.environ["XDG_CACHE_HOME"]) / "ekaci/build-logs", HASH)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., CacheServer]]:
    """Start caches that have these logs, and end them with the test."""
    with ExitStack() as stack:

        def start(name: str, logs: Mapping[str, bytes], behave: Behaviour | None = None) -> CacheServer:
            folder = tmp_path / name
            (folder / "log").mkdir(parents=True)
            (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
            for drv, log in logs.items():
                (folder / "log" / drv).write_bytes(log)
            server = stack.enter_context(CacheServer(folder))
            if behave is not None:
                server.behave = behave
            return server

        yield start


@pytest.fixture
def logs(nix_environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, substituters: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        config = f"{nix_environment['NIX_CONFIG']}\nsubstituters = {substituters}\ndownload-attempts = 1"
        environment = {**nix_environment, "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"], "NIX_CONFIG": config, **more}
        return subprocess.run(
            [EKACI, "logs", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    return run


Logs = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., CacheServer]


def test_it_comes_from_the_substituter_that_has_it_and_stays(path: Path, serve: Serve, logs: Logs) -> None:
    without, having = serve("without", {}), serve("having", {NAME: LOG})
    both = f"{without.url} {having.url}"
    fetched = logs(DRV, substituters=both)
    assert (fetched.returncode, fetched.stdout) == (0, "made elsewhere\nand well\n")
    assert fetched.stderr == f"The log was fetched from {having.url}.\n"
    assert f"/log/{NAME}" in without.paths()
    assert path.read_bytes() == LOG
    asked = len(having.asked)
    again = logs(HASH, "--tail", "1", substituters=both)
    assert (again.returncode, again.stdout, again.stderr) == (0, "and well\n", "")
    assert len(having.asked) == asked, "it is not fetched a second time"


def test_what_is_here_is_not_fetched(path: Path, serve: Serve, logs: Logs) -> None:
    with BuildLog(path) as log:
        log.write(b"ours\n")
    server = serve("cache", {NAME: LOG})
    assert logs(DRV, substituters=server.url).stdout == "ours\n"
    assert server.asked == []


def test_options_hold_for_it_too(serve: Serve, logs: Logs) -> None:
    server = serve("cache", {NAME: LOG})
    done = logs(NAME, "--follow", "--raw", substituters=server.url)
    assert (done.returncode, done.stdout.encode()) == (0, LOG)


def test_nobody_has_it(path: Path, serve: Serve, logs: Logs) -> None:
    server = serve("cache", {})
    for substituters in ("", server.url):
        done = logs(DRV, substituters=substituters)
        assert (done.returncode, done.stdout) == (2, "")
        assert "there is no log of this derivation" in done.stderr
        assert "no substituter has one" in done.stderr
    assert LogFiles(path).stored() is None


def test_a_hash_alone_is_no_name_to_ask_by(serve: Serve, logs: Logs) -> None:
    server = serve("cache", {NAME: LOG})
    done = logs(HASH, substituters=server.url)
    assert done.returncode == 2
    assert "where the whole path is given" in done.stderr


@pytest.mark.parametrize("reply", [Reply(500), Reply(200, LOG, cut=True)], ids=["broken", "breaks off"])
def test_what_could_not_be_fetched_whole_is_told_and_not_kept(
    path: Path, serve: Serve, logs: Logs, reply: Reply
) -> None:
    server = serve("cache", {}, lambda asked: reply if asked.path == f"/log/{NAME}" else None)
    done = logs(DRV, substituters=server.url)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the build log could not be fetched" in done.stderr
    assert LogFiles(path).stored() is None
    assert [each for each in path.parent.parent.iterdir() if each != path.parent] == []


def test_it_is_bounded_as_our_own_are(path: Path, serve: Serve, logs: Logs, tmp_path: Path) -> None:
    bomb = Reply(200, gzip.compress(b"x" * 50_000_000), fields=(("Content-Encoding", "gzip"),))
    server = serve("cache", {}, lambda asked: bomb if asked.path == f"/log/{NAME}" else None)
    config = tmp_path / "ekaci.toml"
    config.write_text("[retention]\nlog_max_bytes = 65536\n")
    done = logs(DRV, substituters=server.url, EKA_CI_CONFIG_FILE=str(config))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n[the rest of this log was too long to fetch]\n")
    assert sum(each.stat().st_size for each in path.parent.iterdir()) <= 65536
