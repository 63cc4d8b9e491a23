"""SIGKILL at every step that makes, renames or removes a file: a log can be read whatever was going on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ekaci_core.logs import BuildLog, chunks, is_live, open_log, seal, sweep_unfinished

# Does one thing again and again, each time in a process of its own that ends a step later than the one before.
CHILD = """
import os, signal, sys
from pathlib import Path
from ekaci_core.logs import BuildLog, seal

OLD = b"".join(b"old %d\\n" % number for number in range(20_000))
NEW = b"".join(b"new %d\\n" % number for number in range(20_000))
LIMITS = {"limit": 100_000, "tail": 40_000}

def begin(path):
    log = BuildLog(path)
    log.write(b"new\\n")
    log.close()

def write(path):
    log = BuildLog(path, **LIMITS)
    for start in range(0, len(NEW), 3000):
        log.write(NEW[start : start + 3000])
    log.close()

def armed(act, path, steps):
    left = steps
    def count(event, arguments):
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "tempfile.mkstemp", "os.utime", "os.chmod"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    act(path)

act = {"begin": begin, "write": write, "seal": seal}[sys.argv[1]]
earlier, root = sys.argv[2], Path(sys.argv[3])
for steps in range(1, 1000):
    path = root / f"{steps:03d}" / "build.log"
    path.parent.mkdir()
    if earlier != "nothing":
        with BuildLog(path, **(LIMITS if earlier == "long" else {})) as log:
            log.write(OLD)
    if earlier == "sealed":
        assert seal(path)
    child = os.fork()
    if child == 0:
        armed(act, path, steps)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
"""

OLD = b"".join(b"old %d\n" % number for number in range(20_000))
NEW = b"".join(b"new %d\n" % number for number in range(20_000))
MARK = re.compile(rb"\[(\d+) bytes of this log were left out here\]\n")


def killed_everywhere(folder: Path, act: str, earlier: str) -> list[Path]:
    """Return the logs of as many killed processes as there are steps, and of one that was not killed at the end."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, act, earlier, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    paths = sorted(each / "build.log" for each in folder.iterdir())
    assert len(paths) > 3
    return paths


def whole(path: Path) -> bytes:
    with open_log(path) as log:
        return b"".join(chunks(log))


def is_part_of(found: bytes, written: bytes) -> bool:
    """Whether it is the beginning of what was written, or that and a later piece with the right mark between them."""
    head, *rest = MARK.split(found)
    if not rest:
        return written.startswith(head)
    count, end = rest
    heads = head, head.removesuffix(b"\n")  # the mark begins a line
    return any(written.startswith(each) and written[len(each) + int(count) :].startswith(end) for each in heads)


def goes_on(path: Path) -> None:
    """After a crash, nobody holds the log, what it left is swept, and a new attempt can begin and be sealed."""
    assert not is_live(path)
    before = whole(path)
    sweep_unfinished(path)
    seal(path)
    assert whole(path) == before
    assert {each.suffix for each in path.parent.iterdir()} <= {".gz", ".log"} or len(before) < 4096
    with BuildLog(path) as log:
        log.write(OLD)
    assert seal(path)
    assert whole(path) == OLD
    assert [each.name for each in path.parent.iterdir()] == ["build.log.gz"]


@pytest.mark.parametrize("earlier", ["short", "long", "sealed"])
def test_while_a_new_attempt_takes_the_place_of_the_old_one(tmp_path: Path, earlier: str) -> None:
    for path in killed_everywhere(tmp_path, "begin", earlier):
        assert is_part_of(whole(path), OLD) or whole(path) in (b"", b"new\n")
        goes_on(path)


def test_while_the_end_goes_round(tmp_path: Path) -> None:
    *killed, last = killed_everywhere(tmp_path, "write", "nothing")
    began = [path for path in killed if path.exists()]
    assert len(began) > 20
    for path in [*began, last]:
        found = whole(path)
        assert is_part_of(found, NEW)
        assert len(found) >= min(60_000, path.stat().st_size)
        assert sum(each.stat().st_size for each in path.parent.iterdir()) <= 100_000
        goes_on(path)
    assert len(killed) - len(began) <= 5, "only before the very first log was there"


@pytest.mark.parametrize("earlier", ["short", "long"])
def test_while_it_is_sealed(tmp_path: Path, earlier: str) -> None:
    *killed, last = killed_everywhere(tmp_path, "seal", earlier)
    expected = whole(last)
    assert is_part_of(expected, OLD)
    assert not last.exists()
    for path in killed:
        assert whole(path) == expected
        goes_on(path)


def test_the_lock_of_a_killed_writer_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "build.log"
    script = (
        "import sys, time; from pathlib import Path; from ekaci_core.logs import BuildLog\n"
        "log = BuildLog(Path(sys.argv[1])); log.write(b'begun\\n'); print('begun', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        assert is_live(path)
        os.kill(writer.pid, signal.SIGKILL)
    assert not is_live(path)
    assert whole(path) == b"begun\n"
