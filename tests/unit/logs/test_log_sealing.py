from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from tests.unit.logs.conftest import FORMS, stored, whole

from ekaci_core.logs import SEAL_FROM_BYTES, BuildLog, LogFiles, open_log, seal, sweep_unfinished

DATA = b"".join(b"line %d\n" % number for number in range(100_000))


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


@pytest.mark.parametrize("form", FORMS[:2])
def test_a_sealed_log_is_the_same_and_anybody_can_read_it(tmp_path: Path, form: str) -> None:
    path = stored(tmp_path / "log", DATA, form)
    path.chmod(0o640)
    for part in tmp_path.iterdir():
        os.utime(part, (1_000_000_000, 1_100_000_000))
    assert seal(path)
    assert names(path) == ["log.gz"]
    assert whole(path) == DATA
    sealed = LogFiles(path).sealed
    assert gzip.decompress(sealed.read_bytes()) == DATA
    assert (sealed.stat().st_mtime, sealed.stat().st_mode & 0o777) == (1_100_000_000, 0o640)
    assert sealed.stat().st_size < len(DATA) / 3
    assert LogFiles(path).stored() == sealed
    assert not seal(path), "there is no plain one any more"


def test_what_was_left_out_stays_said(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with BuildLog(path, limit=200_000, tail=80_000) as log:
        log.write(DATA)
    before = whole(path)
    assert b" bytes of this log were left out here]\n" in before
    assert seal(path)
    assert (whole(path), names(path)) == (before, ["log.gz"])


def test_a_short_log_and_none_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert not seal(path)
    path.write_bytes(b"x" * (SEAL_FROM_BYTES - 1))
    assert not seal(path)
    assert names(path) == ["log"]


def test_a_live_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with BuildLog(path) as log:
        log.write(DATA)
        assert not seal(path)
        log.write(b"more")
    assert whole(path) == DATA + b"more"
    assert names(path) == ["log"]


def test_who_reads_the_plain_log_can_read_on(tmp_path: Path) -> None:
    path = stored(tmp_path / "log", DATA, "in segments")
    with open_log(path) as log:
        assert seal(path)
        assert log.read(0, len(DATA)) == DATA


def test_stopping_leaves_the_log_as_it_is(tmp_path: Path) -> None:
    path = stored(tmp_path / "log", DATA, "plain")
    answers = iter([False, False, True])
    assert not seal(path, stopped=lambda: next(answers))
    assert names(path) == ["log"]
    assert whole(path) == DATA


@pytest.mark.parametrize("ended", [True, False])
def test_a_new_attempt_that_begins_meanwhile_is_not_lost(tmp_path: Path, ended: bool) -> None:  # noqa: FBT001
    path = stored(tmp_path / "log", DATA, "in segments")
    attempts: list[BuildLog] = []

    def begin() -> bool:
        if not attempts:
            attempts.append(BuildLog(path))
            attempts[0].write(b"new" * SEAL_FROM_BYTES)
            if ended:
                attempts[0].close()
        return False

    assert not seal(path, stopped=begin)
    assert whole(path) == b"new" * SEAL_FROM_BYTES
    assert names(path) == ["log"]
    if not ended:
        attempts[0].close()


def test_a_log_that_is_there_in_both_forms_is_sealed_again(tmp_path: Path) -> None:
    """So it is after a crash between the two: the plain one counts, for nothing says that the other one is newer."""
    path = stored(tmp_path / "log", DATA, "sealed")
    path.write_bytes(DATA + b"newer")
    assert whole(path) == DATA + b"newer"
    assert seal(path)
    assert whole(path) == DATA + b"newer"
    assert names(path) == ["log.gz"]


def test_what_a_crash_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    path = stored(tmp_path / "log", DATA, "in segments")
    expected = names(path)
    for left in ("log.new", "log.gz.abc_12.new"):
        (tmp_path / left).write_bytes(b"half")
    assert whole(path) == DATA
    (tmp_path / "other.new").touch()
    sweep_unfinished(path)
    assert names(path) == [*expected, "other.new"]
