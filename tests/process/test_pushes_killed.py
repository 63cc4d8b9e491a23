"""Pushing that is killed again and again: nothing is lost, and nothing is pushed twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.process.pushes.pusher import COUNT

from ekaci_core.store import open_store
from ekaci_core.store.push import PushState, WantedPush
from ekaci_core.testing.facts import drv
from ekaci_core.testing.scripted_cache import store_path
from ekaci_core.testing.store_forges import HERE

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

KILLS = 6


def push(folder: Path, last: int = -1) -> int:
    """Push, and be killed once the cache has the last of these; returns the exit status."""
    argv = [sys.executable, "-m", "tests.process.pushes.pusher", str(folder), str(last)]
    return subprocess.run(argv, check=False, timeout=100).returncode


async def test_pushes_outlive_any_number_of_kills(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    wanted = [
        WantedPush(cache="one", path=store_path(f"p{at:05}"), derivation=drv(f"d{at // 100}"), repository=HERE)
        for at in range(COUNT)
    ]
    async with open_store(tmp_path / "db") as store:
        assert await store.want_pushes(wanted, now=time.time()) == COUNT
    done = list[int]()
    for kill in range(1, KILLS + 1):
        assert push(tmp_path, kill * COUNT // (KILLS + 2)) == -signal.SIGKILL
        async with open_store(tmp_path / "db") as store:
            counts = (await store.count_pushes())["one"]
            done.append(counts.get(PushState.DONE, 0) + counts.get(PushState.PRESENT, 0))
            assert sum(counts.values()) == COUNT
    assert done == sorted(done)
    assert 0 < done[-1] < COUNT, "it was killed in the middle"
    assert push(tmp_path) == 0
    async with open_store(tmp_path / "db") as store:
        assert (await store.count_pushes())["one"].keys() <= {PushState.DONE, PushState.PRESENT}
    times = Counter(len(each.read_text().splitlines()) for each in (tmp_path / "cache").iterdir())
    assert times == {1: COUNT}
