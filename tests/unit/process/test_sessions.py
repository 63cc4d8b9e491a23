from __future__ import annotations

import os
from pathlib import Path

import pytest

from ekaci_core.process.sessions import ProcessEntry, members, parse_stat, process_table, sessions_below

STAT = "4242 (a) b (c)) S 17 4242 4000 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1000 10\n"


def table(*entries: ProcessEntry) -> dict[int, ProcessEntry]:
    return {entry.pid: entry for entry in entries}


def process(pid: int, parent: int, session: int, started: int = 1, *, dead: bool = False) -> ProcessEntry:
    return ProcessEntry(pid=pid, parent=parent, session=session, started=started, dead=dead)


def test_a_command_name_with_parentheses_is_read() -> None:
    assert parse_stat(STAT) == ProcessEntry(pid=4242, parent=17, session=4000, started=987654)
    assert parse_stat(STAT.replace(" S ", " Z ")).dead


def test_garbage_is_refused() -> None:
    with pytest.raises((ValueError, IndexError)):
        parse_stat("nonsense")


def test_the_real_table_has_ourselves() -> None:
    own = process_table()[os.getpid()]
    assert (own.parent, own.session, own.dead) == (os.getppid(), os.getsid(0), False)


def test_without_proc_the_table_is_empty(tmp_path: Path) -> None:
    assert process_table(tmp_path / "none") == {}
    (tmp_path / "12").mkdir()
    assert process_table(tmp_path) == {}


def test_sessions_of_all_descendants_but_the_own() -> None:
    processes = table(
        process(1_000_000, 1, 1_000_000),
        process(1_000_001, 1_000_000, 1_000_000),
        process(1_000_002, 1_000_001, 1_000_002, started=5),
        process(1_000_003, 1_000_002, 1_000_002),
        process(1_000_004, 1_000_003, 1_000_009),  # its session's leader has gone
        process(1_000_005, 1, 1_000_005),
    )
    assert sessions_below(1_000_000, processes) == {1_000_002: 5, 1_000_009: None}


def test_members_are_the_living_of_the_same_session() -> None:
    processes = table(
        process(10, 1, 10, started=5),
        process(11, 10, 10),
        process(12, 10, 10, dead=True),
        process(20, 1, 20, started=99),
        process(31, 1, 30),
    )
    assert sorted(members({10: 5}, processes)) == [10, 11]
    assert members({20: 5}, processes) == [], "the number was given to another session since"
    assert members({30: 5}, processes) == [31], "the leader has gone, the session has not"
