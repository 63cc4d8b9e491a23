"""A process that stores what a server stores, and is killed while it does."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from ekaci_core.model.review import ReviewState
from ekaci_core.store import Store, open_store
from ekaci_core.testing.store_forges import HERE, check, sha, wish

pytestmark = pytest.mark.anyio

# Every delivery is sent twice, by writers that know nothing of each other; each line says what was acknowledged.
DELIVERIES = """
import sys
from pathlib import Path
import anyio
from ekaci_core.store import open_store

async def main():
    async with open_store(Path(sys.argv[1])) as store, anyio.create_task_group() as tasks:
        async def send(writer):
            number = writer // 2
            while True:
                name = f"{number:06}"
                fresh = await store.add_delivery("github", "app", name, "push", body(name), now=1.0)
                sys.stdout.write(f"{name} {fresh}\\n")
                sys.stdout.flush()
                number += 25

        for writer in range(50):
            tasks.start_soon(send, writer)

def body(name):
    return (name * 4000).encode()

anyio.run(main)
"""

# Checks are wanted, sent and said, and reviews are asked for and finished, in an endless row.
OUTBOX = """
import sys
from pathlib import Path
import anyio
from ekaci_core.model.review import ReviewState
from ekaci_core.store import open_store
from ekaci_core.testing.store_forges import HERE, check, sha, wish

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        number = 0
        while True:
            number += 1
            await store.want_checks([check(f"c{number}")], now=float(number))
            [post] = await store.posts_at(HERE, sha("a"), [f"c{number}"])
            await store.post_sent(post.id, version=1, remote=f"r{number}", now=float(number))
            await store.want_checks([check(f"c{number}", done=True)], now=float(number))
            review = await store.ask_review(wish("a", number), ReviewState.QUEUED, now=float(number))
            await store.finish_review(review, decision="merge", result=f"report {number}", now=float(number))
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()

anyio.run(main)
"""


def killed(script: str, path: Path, lines: int) -> list[str]:
    """Run a script until it has said so many lines, kill it, and return all whole lines that it said."""
    argv = [sys.executable, "-W", "error", "-c", script, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = "".join(child.stdout.readline() for _ in range(lines))
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read()
    assert child.returncode == -signal.SIGKILL
    return said.splitlines()[: said.count("\n")]


def check_file(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("lines", [1, 40, 333])
async def test_no_acknowledged_delivery_is_lost_or_doubled(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "facts.db"
    said = [line.split() for line in killed(DELIVERIES, path, lines)]
    assert set(Counter(name for name, fresh in said if fresh == "True").values()) <= {1}
    check_file(path)
    async with open_store(path) as store:
        stored = {each.name: each.payload for each in await store.pending_deliveries(limit=100_000)}
        assert len(stored) == len(await store.deliveries(limit=100_000))
        assert stored.keys() >= {name for name, _ in said}
        assert all(payload == (name * 4000).encode() for name, payload in stored.items())
        await sent_again(store, set(stored))


async def sent_again(store: Store, stored: set[str]) -> None:
    """What was stored, acknowledged or not, is not stored again; what was not, is."""
    fresh = set[str]()
    names = stored | {f"{at:06}" for at in range(60)}

    async def send(name: str) -> None:
        if await store.add_delivery("github", "app", name, "push", b"again", now=2.0):
            fresh.add(name)

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(send, name)
    assert fresh == names - stored
    assert {each.name for each in await store.deliveries(limit=100_000)} == names


async def test_what_stands_at_a_forge_is_known_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    said = killed(OUTBOX, path, 25)
    check_file(path)
    async with open_store(path) as store:
        posts = {each.check.context: each for each in await store.posts_at(HERE, sha("a"))}
        reviews = {each.wish.number: each for each in await store.reviews_of(HERE, limit=10_000)}
        for number in map(int, said):
            post, review = posts[f"c{number}"], reviews[number]
            assert (post.remote, post.sent, post.version, post.writes) == (f"r{number}", 1, 2, 1)
            assert post.check == check(f"c{number}", done=True)
            assert (review.wish, review.state, review.decision) == (wish("a", number), ReviewState.DONE, "merge")
            assert await store.review_result(review.id) == f"report {number}"
        due = [each.id for each in await store.posts_due(now=1e9, limit=10_000)]
        assert {posts[f"c{number}"].id for number in map(int, said)} <= set(due)
        for each in await store.live_reviews():
            assert str(each.wish.number) not in said


def test_two_processes_take_each_delivery_once(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    script = DELIVERIES.replace("while True:", "while number < 400:")
    argv = [sys.executable, "-W", "error", "-c", script, str(path)]
    children = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [line.split() for child in children for line in child.communicate()[0].splitlines()]
    assert [child.returncode for child in children] == [0, 0]
    assert len(said) == 2 * 2 * 400
    fresh = Counter(name for name, fresh in said if fresh == "True")
    assert fresh == {f"{at:06}": 1 for at in range(400)}
