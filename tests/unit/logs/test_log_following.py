from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.logs.conftest import whole

from ekaci_core.logs import BuildLog, Follower, PlainLog, seal

GAP = re.compile(rb"\[(\d+) bytes of this log were left out here\]\n")


def test_what_is_written_is_followed_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = BuildLog(path)
    log.write(b"before\n")
    with Follower(PlainLog(path)) as follower:
        assert (follower.read(), follower.ended) == (b"", False)
        log.write(b"after\n")
        assert (follower.read(), follower.ended) == (b"after\n", False)
        log.write(b"last")
        log.close()
        assert (follower.read(), follower.ended) == (b"last", False)
        assert (follower.read(), follower.ended) == (b"", True)


def test_a_log_that_has_ended_is_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"all")
    with Follower(PlainLog(path)) as follower:
        assert (follower.read(), follower.ended) == (b"", True)


def test_a_new_attempt_ends_the_old_one_and_is_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "log"
    old = BuildLog(path, limit=10, tail=8)
    with Follower(PlainLog(path)) as follower:
        old.write(b"old log\n")
        old.close()
        with BuildLog(path) as new:
            new.write(b"new log, longer than the old one\n")
            assert follower.read() == b"ol"
            assert (follower.read(), follower.ended) == (b"", True)


@pytest.mark.parametrize("more", [0, 700, 2000, 20_000])
def test_sealing_takes_nothing_from_who_follows(tmp_path: Path, more: int) -> None:
    path = tmp_path / "log"
    log = BuildLog(path, limit=10_000, tail=8000)
    log.write(b"x" * 9000)
    with Follower(PlainLog(path)) as follower:
        log.write(b"y" * 500 + b"z" * more)
        log.close()
        assert seal(path)
        seen = b""
        while not follower.ended:
            seen += follower.read()
    if more == 20_000:
        assert re.fullmatch(rb"\[(\d+) bytes of this log were left out here\]\nz{7500}", seen)
        assert seen.startswith(b"[13000 ")
    else:
        assert seen == b"y" * 500 + b"z" * more


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.integers(1, 300)), max_size=40))
def test_whatever_the_pace_each_byte_comes_once_or_is_counted(steps: list[int | None]) -> None:
    """A number is so many bytes written, None a look."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "log")
        written = 0
        seen = bytearray()
        with BuildLog(path, limit=200, tail=80) as log, Follower(PlainLog(path)) as follower:
            for step in steps:
                if step is None:
                    seen += follower.read()
                else:
                    log.write(bytes(97 + (written + at) % 26 for at in range(step)))
                    written += step
            while data := follower.read():
                seen += data
            assert not follower.ended
        told = 0
        for part in re.split(rb"(\[\d+ bytes of this log were left out here\]\n)", bytes(seen)):
            gap = GAP.fullmatch(part)
            if gap is None:
                assert part == bytes(97 + (told + at) % 26 for at in range(len(part)))
            told += int(gap[1]) if gap else len(part)
        assert told == written
        assert len(whole(path)) <= 200 + 60
