from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.logs import tail


def test_tail_of_nothing(tmp_path: Path) -> None:
    assert tail(tmp_path / "none") == ()
    (tmp_path / "empty").touch()
    assert tail(tmp_path / "empty") == ()


def test_tail_is_the_end_and_fit_to_show(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\n\x1b[31mred\x1b[0m\n\xff\nlast")
    assert tail(path, 3) == ("red", "\ufffd", "last")
    assert tail(path, 30) == ("first", "red", "\ufffd", "last")
    assert tail(path, 0) == ()


def test_tail_reads_only_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as log:
        log.truncate(10 * 1024**3)  # a hole that would take long to read
        log.seek(0, 2)
        log.write(b"\nsecond to last\nlast\n")
    assert tail(path, 2) == ("second to last", "last")


def test_tail_of_one_endless_line_shows_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes("é".encode() * 4_000_000 + b" end")
    (line,) = tail(path)
    assert line.startswith("…é")
    assert line.endswith("é end")
    assert len(line) == 2000


@pytest.mark.parametrize("size", [1_000_000, 10_000_000])
def test_an_overlong_line_among_others_is_cut_and_marked(tmp_path: Path, size: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n" + b"x" * size + b"\nafter\nlast\n")
    found = tail(path)
    assert found[-2:] == ("after", "last")
    cut = found[-3]
    assert "…" in (cut[0], cut[-1])
    assert cut.strip("…") == "x" * 1999
    assert found[:-3] == (("before",) if size == 1_000_000 else ()), "what is near enough is there too"


def test_of_many_long_lines_all_that_were_asked_for_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"%03d " % number + b"x" * 50_000 + b"\n" for number in range(60)))
    assert [line[:3] for line in tail(path, 30)] == [f"{number:03d}" for number in range(30, 60)]


@pytest.mark.parametrize("offset", range(-2, 3))
def test_lines_that_end_where_reading_begins_are_whole(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"0123456789\n" * 100_000 + b"x" * (256 * 1024 - 22 + offset) + b"\nlast\n")
    assert tail(path, 1) == ("last",)
    assert tail(path, 4)[:2] == ("0123456789", "0123456789")
