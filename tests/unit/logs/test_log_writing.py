"""What a log on disk is while and after it is written."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from ekaci_core.logs import BuildLog, LogFiles, LogInUse, chunks, is_live, open_log, seal, tail


def whole(path: Path) -> bytes:
    with open_log(path) as log:
        return b"".join(chunks(log))


def on_disk(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.iterdir())


NUMBERED = b"".join(b"%05d\n" % number for number in range(1000))


def test_a_short_log_is_kept_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with BuildLog(path) as log:
        log.write(b"one\n")
        log.write(b"\xff two")
    assert path.read_bytes() == b"one\n\xff two"
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with BuildLog(path, limit=20, tail=8) as log:
        log.write(b"now\n")
        assert tail(path) == ("now",)
        log.write(b"and much more than is kept\nlast")
        assert tail(path)[-1].endswith("last")


@pytest.mark.parametrize("size", [1, 7, 100, 6000])
def test_of_a_long_log_head_and_tail_are_kept(tmp_path: Path, size: int) -> None:
    path = tmp_path / "log"
    with BuildLog(path, limit=120, tail=64) as log:
        for start in range(0, len(NUMBERED), size):
            log.write(NUMBERED[start : start + size])
            assert on_disk(path) <= 120
        live = whole(path)
    kept = whole(path)
    assert kept == live
    head, marker, end = kept[:56], kept[56:100].split(b"\n")[1], kept[56:].split(b"here]\n")[1]
    assert head == NUMBERED[:56]
    assert NUMBERED.endswith(end)
    assert 56 <= len(end) <= 64
    assert marker.startswith(b"[%d bytes of this log were left out" % (len(NUMBERED) - 56 - len(end)))


def test_the_marker_has_a_line_of_its_own_and_adds_no_empty_one(tmp_path: Path) -> None:
    for head in (b"seven7\n", b"seven 7"):
        with BuildLog(tmp_path / "log", limit=15, tail=8) as log:
            log.write(head + b"x" * 100)
        assert whole(tmp_path / "log").split(b"\n") == [
            head.rstrip(b"\n"),
            b"[92 bytes of this log were left out here]",
            b"x" * 8,
        ]


def test_exactly_the_limit_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with BuildLog(path, limit=100, tail=40) as log:
        log.write(b"x" * 99)
        log.write(b"y")
    assert whole(path) == b"x" * 99 + b"y"


@pytest.mark.parametrize("old", ["short", "long", "sealed"])
def test_a_new_attempt_forgets_the_old_log(tmp_path: Path, old: str) -> None:
    path = tmp_path / "log"
    with BuildLog(path, limit=9000, tail=4000) as log:
        log.write(b"old\n" * (5000 if old != "short" else 1))
    if old == "sealed":
        assert seal(path)
    with BuildLog(path) as log:
        assert whole(path) == b""
        log.write(b"new")
    assert whole(path) == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


def test_who_reads_the_old_log_can_read_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with BuildLog(path, limit=9000, tail=4000) as log:
        log.write(b"old\n" * 5000)
    before = whole(path)
    with open_log(path) as reading, BuildLog(path) as log:
        log.write(b"new")
        assert b"".join(chunks(reading)) == before


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert not is_live(path)
    with BuildLog(path) as log:
        log.write(b"mine")
        assert is_live(path)
        with pytest.raises(LogInUse, match="another build is writing it"):
            BuildLog(path)
        assert [each.name for each in tmp_path.iterdir()] == ["log"]
        with BuildLog(tmp_path / "other") as other:
            other.write(b"beside it")
        assert whole(path) == b"mine"
    assert not is_live(path)


def test_closing_twice_closes_nothing_of_others(tmp_path: Path) -> None:
    first = BuildLog(tmp_path / "log")
    first.close()
    with BuildLog(tmp_path / "log") as second:  # takes the numbers of the files that the first one had
        first.close()
        second.write(b"mine")
        assert is_live(tmp_path / "log")
    assert whole(tmp_path / "log") == b"mine"


def test_a_missing_folder_is_not_live_and_is_made(tmp_path: Path) -> None:
    path = tmp_path / "none" / "yet" / "log"
    assert not is_live(path)
    with BuildLog(path) as log:
        log.write(b"here")
    assert whole(path) == b"here"


def test_of_many_that_begin_at_once_one_at_a_time_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    wrote: list[bool] = []

    def attempt(mine: bytes) -> None:
        for _ in range(30):
            try:
                with BuildLog(path) as log:
                    log.write(mine)
                    wrote.append(path.read_bytes() == mine)
            except LogInUse:
                continue

    threads = [Thread(target=attempt, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrote
    assert all(wrote)
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_cannot_be_written_is_not_swallowed_and_the_rest_is_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with no_file_longer_than(1000), pytest.raises(OSError, match="File too large"), BuildLog(path) as log:
        log.write(b"x" * 1500)
    assert whole(path) == b"x" * 1000
    assert not is_live(path)


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder):
        with pytest.raises(FileExistsError):
            BuildLog(path)
    assert pipe.is_fifo()
    assert folder.is_dir()
    assert not is_live(pipe)


def test_a_device_is_written_to_as_it_is() -> None:
    """Regression test: a log was once renamed into the place of a device.

    Only a terminal of our own is at risk here.
    """
    master, slave = os.openpty()
    try:
        path = Path(os.ttyname(slave))
        with BuildLog(path, limit=10) as log:
            log.write(b"longer than the limit\n")
            assert os.read(master, 100) == b"longer than the limit\r\n"
        assert path.is_char_device()
    finally:
        os.close(master)
        os.close(slave)
    assert LogFiles(path).segments() == []
