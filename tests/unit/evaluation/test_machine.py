from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.evaluation.machine import available_mib, cgroup_mib, quota_cpus, this_machine

MEMINFO = "MemTotal:       32768000 kB\nMemFree:         1000000 kB\nMemAvailable:   20480000 kB\n"


def test_available_memory_is_read() -> None:
    assert available_mib(MEMINFO) == 20_000
    assert available_mib("MemTotal: 1 kB\n") is None


@pytest.mark.parametrize(
    ("limit", "current", "statistics", "expected"),
    [
        ("max\n", "1000\n", "", None),
        ("", "", "", None),
        ("4294967296\n", "1073741824\n", "anon 5\n", 3072),
        ("4294967296\n", "1073741824\n", "anon 5\ninactive_file 536870912\n", 3584),
        ("1048576\n", "2097152\n", "", 0),
    ],
)
def test_a_control_groups_memory_is_read(limit: str, current: str, statistics: str, expected: int | None) -> None:
    assert cgroup_mib(limit, current, statistics) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000\n", None), ("200000 100000\n", 2), ("150000 100000\n", 2), ("1000 100000\n", 1), ("", None)],
)
def test_a_control_groups_processors_are_read(text: str, expected: int | None) -> None:
    assert quota_cpus(text) == expected


def test_the_narrowest_limit_counts(tmp_path: Path) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    inner = cgroups / "a.slice" / "b.scope"
    (proc / "self").mkdir(parents=True)
    inner.mkdir(parents=True)
    (proc / "meminfo").write_text(MEMINFO)
    (proc / "self" / "cgroup").write_text("0::/a.slice/b.scope\n")
    (inner / "memory.max").write_text("max\n")
    (cgroups / "a.slice" / "memory.max").write_text(f"{2048 * 1024 * 1024}\n")
    (cgroups / "a.slice" / "memory.current").write_text(f"{1024 * 1024 * 1024}\n")
    (inner / "cpu.max").write_text("100000 100000\n")
    machine = this_machine(proc, cgroups)
    assert (machine.cpus, machine.available_mib) == (1, 1024)


def test_a_machine_that_says_nothing_is_taken_for_a_small_one(tmp_path: Path) -> None:
    machine = this_machine(tmp_path, tmp_path)
    assert machine.cpus >= 1
    assert machine.available_mib == 4096


def test_this_machine_has_something_to_offer() -> None:
    machine = this_machine()
    assert machine.cpus >= 1
    assert machine.available_mib >= 0
