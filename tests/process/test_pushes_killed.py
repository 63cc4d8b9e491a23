"""Pushing that is killed again and again: nothing is lost, and nothing is pushed twice."""

from __future__ import annotations

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


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.process.pushes.pusher", str(folder)])


def killed_after(folder: Path, count: int) -> None:
    """Kill a process once the cache has so many paths."""
    with start(folder) as process:
        until = time.monotonic() + 60
        while len(list((folder / "cache").iterdir())) < count:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.002)
        process.kill()


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
        killed_after(tmp_path, kill * COUNT // (KILLS + 2))
        async with open_store(tmp_path / "db") as store:
            counts = (await store.count_pushes())["one"]
            done.append(counts.get(PushState.DONE, 0) + counts.get(PushState.PRESENT, 0))
            assert sum(counts.values()) == COUNT
    assert done == sorted(done)
    assert 0 < done[-1] < COUNT, "it was killed in the middle"
    with start(tmp_path) as process:
        assert process.wait(60) == 0
    async with open_store(tmp_path / "db") as store:
        assert (await store.count_pushes())["one"].keys() <= {PushState.DONE, PushState.PRESENT}
    times = Counter(len(each.read_text().splitlines()) for each in (tmp_path / "cache").iterdir())
    assert times == {1: COUNT}
