"""A publisher that is killed, and the next one, together write no more than the forge bears."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import anyio

from ekaci_core.api import Check, CheckStatus, CommitSha, RepositoryId
from ekaci_core.store import open_store
from ekaci_core.testing.scripted_forge import HOST

SCRIPT = Path(__file__).parent / "publishing/publisher.py"
CHECKS = [
    Check(RepositoryId.parse(HOST, "owner/packages"), CommitSha.parse("b" * 40), f"check {number}", CheckStatus.QUEUED)
    for number in range(12)
]


def argv(folder: Path, hangs_at: int = 0) -> list[str]:
    return [sys.executable, str(SCRIPT), str(folder), str(hangs_at)]


def written(folder: Path) -> list[str]:
    path = folder / "written"
    return path.read_text().splitlines() if path.exists() else []


async def want_all(folder: Path) -> None:
    async with open_store(folder / "db") as store:
        await store.want_checks(CHECKS, now=time.time())


def test_the_limit_of_a_minute_holds_over_a_kill(tmp_path: Path) -> None:
    anyio.run(want_all, tmp_path)
    with subprocess.Popen(argv(tmp_path, hangs_at=3)) as process:
        deadline = time.monotonic() + 60
        while len(written(tmp_path)) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    for _ in range(2):
        done = subprocess.run(argv(tmp_path), check=True, stdout=subprocess.PIPE, text=True, timeout=60)
        assert 0 < float(done.stdout) <= 60
        assert len(written(tmp_path)) == 5, "three before the kill, the one cut short counted, and two after it"
    assert written(tmp_path)[3] == "check 2", "what was cut short is sent again"
