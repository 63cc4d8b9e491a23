"""Whether the kernel killed something because memory ran out: the counters that it keeps, and which of them concern us.

A build runs in our control group where Nix builds by itself, and in that of the Nix daemon where there is one. Where
neither can be read, the count of the whole machine is all there is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

_PROC: Final = Path("/proc")
_STATE_DIR: Final = "/nix/var/nix"
_DAEMON_ITSELF: Final = ("supervisor", "nix-daemon")  # its group, where it puts builds into groups beside that
_COUNT: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


@attrs.frozen
class Counter:
    """A file that counts out-of-memory kills, and whose it counts."""

    file: Path
    whose: str

    def read(self) -> int | None:
        """Return the count now; None where it cannot be read, or the kernel is too old to keep one."""
        try:
            return parse_kills(self.file.read_text())
        except OSError:
            return None


@attrs.frozen
class Mount:
    """Where control groups stand. ``root`` is the group that is seen at ``point``; ``unified`` is version 2."""

    point: Path
    root: str
    unified: bool


def parse_kills(text: str) -> int | None:
    """Return the count of ``oom_kill``.

    The line is the same in ``memory.events`` (control groups version 2), ``memory.oom_control`` (version 1, from Linux
    4.13 on) and ``/proc/vmstat`` (the whole machine, from 4.13 on).
    """
    found = _COUNT.search(text)
    return int(found[1]) if found else None


def parse_groups(text: str) -> Mapping[bool, str]:
    """Read ``/proc/PID/cgroup``: the group that version 2 (True) and version 1 (False) account memory to."""
    groups: dict[bool, str] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            groups[True] = path
        elif "memory" in controllers.split(","):
            groups[False] = path
    return groups


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """Find the control groups in ``/proc/self/mountinfo``."""
    mounts = []
    for line in text.splitlines():
        place, _, kind = line.partition(" - ")
        fields, (filesystem, *rest) = place.split(), kind.split() or [""]
        options = rest[-1].split(",") if rest else []
        if filesystem == "cgroup2" or (filesystem == "cgroup" and "memory" in options):
            root, point = (_unescaped(field) for field in fields[3:5])
            mounts.append(Mount(Path(point), root, unified=filesystem == "cgroup2"))
    return tuple(mounts)


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def counter_of(group: str, mount: Mount) -> Counter | None:
    """Return the counter of a group that is seen through this mount; None where it is not."""
    if ".." in group.split("/"):
        return None  # outside of our namespace
    inside = group.removeprefix(mount.root.rstrip("/")).lstrip("/")
    name = "memory.events" if mount.unified else "memory.oom_control"
    return Counter(mount.point / inside / name, f"the control group {group}")


def find_counters(proc: Path = _PROC, *, daemon: bool = False) -> tuple[Counter, ...]:
    """Return the counters that move when a build runs out of memory.

    Args:
        proc: the system's ``/proc``.
        daemon: whether a daemon runs the builds.
    """
    mounts = parse_mounts(_text(proc / "self" / "mountinfo"))
    own = list(_readable(_text(proc / "self" / "cgroup"), mounts))
    theirs = [
        counter
        for process in (_daemons(proc) if daemon else ())
        for counter in _readable(_text(process / "cgroup"), mounts, of_daemon=True)
    ]
    found = [*theirs, *own]
    if not (theirs if daemon else own):
        found.append(Counter(proc / "vmstat", "the whole machine"))
    return tuple(dict.fromkeys(counter for counter in found if counter.read() is not None))


def read_counters(counters: Iterable[Counter]) -> Mapping[Counter, int]:
    """Read those that can be read."""
    return {counter: count for counter in counters if (count := counter.read()) is not None}


def moved_since(before: Mapping[Counter, int]) -> tuple[str, ...]:
    """Say which counters moved since they were read, one sentence each."""
    now = read_counters(before)
    return tuple(
        f"the kernel's out-of-memory kills of {counter.whose} went from {count} to {now[counter]}"
        for counter, count in before.items()
        if now.get(counter, count) > count
    )


def builds_in_daemon(store: str, environment: Mapping[str, str]) -> bool:
    """Say whether Nix has a daemon build for it, as Nix itself decides.

    Args:
        store: Nix's setting ``store``, which has ``NIX_REMOTE`` in it.
        environment: what Nix is given.
    """
    if store != "auto":
        return store == "daemon" or store.startswith("unix://")
    return not os.access(environment.get("NIX_STATE_DIR", _STATE_DIR), os.R_OK | os.W_OK)


def _readable(groups: str, mounts: Iterable[Mount], *, of_daemon: bool = False) -> Iterator[Counter]:
    of_version = parse_groups(groups)
    for mount in mounts:
        group = of_version.get(mount.unified)
        if group is None:
            continue
        parent, _, name = group.rpartition("/")
        if of_daemon and mount.unified and name in _DAEMON_ITSELF and parent:
            group = parent  # what version 2 counts includes the groups below
        counter = counter_of(group, mount)
        if counter is not None and counter.read() is not None:
            yield counter


def _daemons(proc: Path) -> Iterator[Path]:
    for process in sorted(proc.glob("[0-9]*")):
        first, _, rest = _text(process / "cmdline").partition("\0")
        name = first.rpartition("/")[2]
        if name.split(" ")[0] == "nix-daemon" or (name == "nix" and rest.split("\0")[0] == "daemon"):
            yield process


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
