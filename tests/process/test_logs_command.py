"""``ekaci logs`` as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ekaci_core.logs import BuildLog, LogFiles, log_of, seal

EKACI = str(Path(sys.executable).parent / "ekaci")
HASH = "0123456789abcdfghijklmnpqrsvwxyz"
LINES = [f"line {number}" for number in range(1, 20_001)]


@pytest.fixture
def path() -> Path:
    found = log_of(Path(os.environ["XDG_CACHE_HOME"]) / "ekaci/build-logs", HASH)
    found.parent.mkdir(parents=True)
    return found


def logs(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([EKACI, "logs", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(params=["plain", "sealed"])
def written(path: Path, request: pytest.FixtureRequest) -> Path:
    with BuildLog(path) as log:
        log.write("\n".join(LINES).encode())
    if request.param == "sealed":
        assert seal(path)
    return path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], LINES),
        (["--tail", "2"], LINES[-2:]),
        (["--tail", "0"], []),
        (["--tail", "30000"], LINES),
        (["--lines", "10000-10002"], LINES[9999:10002]),
        (["--lines", "19999-"], LINES[-2:]),
        (["--lines=-3"], LINES[:3]),
        (["--lines", "7"], ["line 7"]),
        (["--lines", "30000-"], []),
        (["--follow", "--tail", "1"], LINES[-1:]),
        (["--raw", "--tail", "1"], LINES[-1:]),
    ],
)
@pytest.mark.usefixtures("written")
def test_what_was_asked_for_is_printed(arguments: list[str], expected: list[str]) -> None:
    done = logs(HASH, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("name", [f"/nix/store/{HASH}-hello-1.drv", f"{HASH}-hello-1.drv", HASH])
def test_a_derivation_has_three_names(path: Path, name: str) -> None:
    path.write_text("found\n\nwith an empty line\n\n")
    assert logs(name).stdout == "found\n\nwith an empty line\n\n"


def test_what_is_shown_is_harmless_and_what_is_stored_is_whole(path: Path) -> None:
    stored = b"\x1b]0;title\x07\x1b[31mred\x1b[0m\n10 %\r20 %\r\n" + b"x" * 100_000 + b"\n"
    path.write_bytes(stored)
    red, last, long = logs(HASH).stdout.splitlines()
    assert (red, last, long) == ("red", "20 %", "x" * 65536 + "…")
    raw = subprocess.run([EKACI, "logs", "--raw", HASH], capture_output=True, check=True)
    assert raw.stdout == stored


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([HASH], "there is no log of this derivation"),
        (["hello"], "not a derivation path: 'hello'"),
        ([HASH, "--lines", "x"], "expected numbers of lines such as 10-20"),
        ([HASH, "--lines", "-"], "expected numbers of lines such as 10-20"),
        ([HASH, "--lines", "0-5"], "expected line numbers from 1 on"),
        ([HASH, "--lines", "5-4"], "expected line numbers from 1 on"),
        ([HASH, "--lines", "1-2", "--tail", "1"], "--lines goes neither with --tail nor with --follow"),
        ([HASH, "--tail", "-1"], "--tail"),
    ],
)
def test_wrong_use_is_said(arguments: list[str], said: str) -> None:
    done = logs(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_damaged_log_is_the_machines_fault(path: Path) -> None:
    LogFiles(path).sealed.write_bytes(b"\x1f\x8b nothing more")
    done = logs(HASH)
    assert done.returncode == 3
    assert "this log is damaged" in done.stderr
    assert "gzip" in done.stderr


def test_a_log_that_cannot_be_read_is_the_machines_fault(path: Path) -> None:
    path.mkdir()
    done = logs(HASH)
    assert done.returncode == 3
    assert "cannot be read: Is a directory" in done.stderr


def test_a_live_log_is_followed_to_its_end(path: Path) -> None:
    with BuildLog(path, limit=100_000, tail=80_000) as log:
        log.write(b"begun\nhalf a ")
        with subprocess.Popen([EKACI, "logs", "-f", HASH], stdout=subprocess.PIPE, text=True) as command:
            assert command.stdout is not None
            assert command.stdout.readline() == "begun\n"
            log.write(b"line\n")
            assert command.stdout.readline() == "half a line\n"
            log.write(b"x" * 30_000 + b"\nlast\n")
            assert command.stdout.readline() == "x" * 30_000 + "\n"
            log.close()
            assert command.stdout.read() == "last\n"
    assert command.returncode == 0
