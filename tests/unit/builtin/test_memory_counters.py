"""Counters of out-of-memory kills: as Linux writes them, and which of them are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ekaci_core.builtin.local_builder.memory import (
    Counter,
    Mount,
    builds_in_daemon,
    counter_of,
    find_counters,
    moved_since,
    parse_groups,
    parse_kills,
    parse_mounts,
    read_counters,
)

EVENTS = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"  # memory.events, Linux 5.12
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"  # memory.oom_control, Linux 5.15
OLD_CONTROL = "oom_kill_disable 0\nunder_oom 0\n"  # before Linux 4.13
VMSTAT = "nr_free_pages 1\ndrop_pagecache 1\noom_kill 8\nother_oom_kill 9\n"

UNIFIED_GROUPS = "0::/system.slice/nix-daemon.service\n"
HYBRID_GROUPS = "9:name=systemd:/\n5:cpu,cpuacct:/a\n4:memory:/runner/job\n0::/\n"
UNIFIED_MOUNT = (
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    "24 30 0:22 / /sys/kernel rw shared:7 - securityfs securityfs rw\n"
)
HYBRID_MOUNTS = (
    "31 24 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "34 31 0:31 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
)


@pytest.mark.parametrize(
    ("text", "count"), [(EVENTS, 2), (CONTROL, 5), (OLD_CONTROL, None), (VMSTAT, 8), ("", None), ("oom_kill x", None)]
)
def test_the_count_is_read_from_every_kind_of_file(text: str, count: int | None) -> None:
    assert parse_kills(text) == count


def test_groups_of_both_versions() -> None:
    assert parse_groups(UNIFIED_GROUPS) == {True: "/system.slice/nix-daemon.service"}
    assert parse_groups(HYBRID_GROUPS) == {False: "/runner/job", True: "/"}
    assert parse_groups("nonsense\n\n7:\n") == {}


def test_mounts_of_both_versions() -> None:
    assert parse_mounts(UNIFIED_MOUNT) == (Mount(Path("/sys/fs/cgroup"), "/", unified=True),)
    assert parse_mounts(HYBRID_MOUNTS) == (
        Mount(Path("/sys/fs/cgroup/memory"), "/", unified=False),
        Mount(Path("/sys/fs/cgroup/unified"), "/", unified=True),
    )
    odd = r"35 31 0:32 /a\040b /run/c\040d rw - cgroup cgroup rw,memory" + "\nshort - \n - cgroup\n"
    assert parse_mounts(odd) == (Mount(Path("/run/c d"), "/a b", unified=False),)


@pytest.mark.parametrize(
    ("group", "root", "unified", "file"),
    [
        ("/a/b", "/", True, "a/b/memory.events"),
        ("/a/b", "/", False, "a/b/memory.oom_control"),
        ("/", "/", False, "memory.oom_control"),
        ("/docker/1/x", "/docker/1", False, "x/memory.oom_control"),  # a container sees its own part
        ("/../beside", "/", True, None),
    ],
)
def test_where_the_counter_of_a_group_stands(group: str, root: str, unified: bool, file: str | None) -> None:  # noqa: FBT001
    found = counter_of(group, Mount(Path("/point"), root, unified=unified))
    assert (found and found.file) == (file and Path("/point") / file)


class Machine:
    """Made-up ``/proc`` and control groups."""

    def __init__(self, folder: Path, *, unified: bool) -> None:
        self.proc = folder / "proc"
        self.groups = folder / "groups"
        self.unified = unified
        kind = "cgroup2 cgroup2 rw" if unified else "cgroup cgroup rw,memory"
        self.write("self/mountinfo", f"35 31 0:32 / {self.groups} rw,relatime - {kind}\n")
        self.write("vmstat", VMSTAT)

    def write(self, name: str, text: str) -> None:
        target = self.proc / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def process(self, number: str, argv: str, group: str) -> None:
        self.write(f"{number}/cmdline", argv)
        self.write(f"{number}/cgroup", f"0::{group}\n" if self.unified else f"4:memory:{group}\n0::/\n")

    def kills(self, group: str, count: int) -> None:
        folder = self.groups / group.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        name = "memory.events" if self.unified else "memory.oom_control"
        (folder / name).write_text(f"oom_kill {count}\n")

    def whose(self, *, daemon: bool) -> list[str]:
        return [counter.whose for counter in find_counters(self.proc, daemon=daemon)]


@pytest.fixture(params=[True, False], ids=["version 2", "version 1"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path, unified=request.param)


OWN, DAEMON = "/user/session", "/system/nix-daemon.service"


def test_without_a_daemon_our_own_group_counts(machine: Machine) -> None:
    machine.process("self", "ekaci\0review\0", OWN)
    machine.process("77", "nix-daemon\0", DAEMON)
    machine.kills(OWN, 0)
    machine.kills(DAEMON, 0)
    assert machine.whose(daemon=False) == [f"the control group {OWN}"]


def test_with_a_daemon_its_group_counts_and_ours(machine: Machine) -> None:
    machine.process("self", "ekaci\0review\0", OWN)
    machine.process("77", "/nix/store/abc/bin/nix-daemon\0--daemon\0", DAEMON)
    machine.process("78", "nix-daemon 4711\0\0\0", DAEMON)  # serves a connection
    machine.process("79", "sh\0-c\0nix-daemon\0", "/other")
    for group in (OWN, DAEMON, "/other"):
        machine.kills(group, 0)
    assert machine.whose(daemon=True) == [f"the control group {DAEMON}", f"the control group {OWN}"]


def test_a_daemon_that_is_not_seen_leaves_the_whole_machine(machine: Machine) -> None:
    machine.process("self", "ekaci\0", OWN)
    machine.kills(OWN, 0)
    assert machine.whose(daemon=True) == [f"the control group {OWN}", "the whole machine"]


def test_without_a_readable_group_the_whole_machine_counts(machine: Machine) -> None:
    machine.process("self", "ekaci\0", OWN)
    assert machine.whose(daemon=False) == ["the whole machine"]
    (machine.proc / "vmstat").unlink()
    assert machine.whose(daemon=False) == []


def test_a_daemon_of_many_groups_is_counted_with_its_builds(tmp_path: Path) -> None:
    machine = Machine(tmp_path, unified=True)
    machine.process("self", "ekaci\0", OWN)
    machine.process("77", "nix\0daemon\0", f"{DAEMON}/supervisor")
    machine.kills(f"{DAEMON}/supervisor", 0)
    machine.kills(DAEMON, 0)
    assert machine.whose(daemon=True) == [f"the control group {DAEMON}"]


def test_what_moved_is_told_and_nothing_else(tmp_path: Path) -> None:
    moves, stays, goes = (Counter(tmp_path / name, f"group {name}") for name in ("moves", "stays", "goes"))
    for counter in (moves, stays, goes):
        counter.file.write_text("oom_kill 3\n")
    before = read_counters([moves, stays, goes, Counter(tmp_path / "none", "nobody")])
    assert before == {moves: 3, stays: 3, goes: 3}
    moves.file.write_text("oom_kill 5\n")
    goes.file.unlink()
    assert moved_since(before) == ("the kernel's out-of-memory kills of group moves went from 3 to 5",)


def test_this_machine_can_be_asked() -> None:
    assert moved_since(read_counters(find_counters(daemon=True))) == ()


@pytest.mark.parametrize(
    ("store", "environment", "daemon"),
    [
        ("daemon", {}, True),
        ("unix:///run/nix.socket", {}, True),
        ("local", {}, False),
        ("/elsewhere", {}, False),
        ("auto", {"NIX_STATE_DIR": "/"}, False),
        ("auto", {"NIX_STATE_DIR": "/no/such/directory"}, True),
    ],
)
def test_who_builds(store: str, environment: Mapping[str, str], daemon: bool, tmp_path: Path) -> None:  # noqa: FBT001
    given = {**environment, "NIX_STATE_DIR": str(tmp_path)} if environment.get("NIX_STATE_DIR") == "/" else environment
    assert builds_in_daemon(store, given) is daemon
