"""A real server under load: what it acknowledged is handled, once, whatever happens to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.review import ReviewState
from ekaci_core.store import open_store
from ekaci_core.store.delivery import DeliveryState
from ekaci_core.testing.scripted_forge import HOST

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent / "webhooks"
COUNT, CONNECTIONS, BYTES = 1000, 50, 25_000


@contextmanager
def server(folder: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    argv = [sys.executable, str(HERE / "server.py"), str(folder), str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def load(port: int) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, str(HERE / "load.py"), *map(str, (port, COUNT, CONNECTIONS, BYTES))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    text = process.stdout.read()
    assert process.wait() == 0
    result: dict[str, Any] = json.loads(text)
    return result


def stopped(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


async def wait_until_handled(folder: Path) -> None:
    async with open_store(folder / "db") as store:
        deadline = time.monotonic() + 60
        while await store.pending_deliveries(limit=1):
            assert time.monotonic() < deadline
            time.sleep(0.1)  # noqa: ASYNC251 - nothing else runs here


async def assert_each_handled_once(folder: Path) -> None:
    async with open_store(folder / "db") as store:
        deliveries = await store.deliveries(limit=10 * COUNT)
        assert {each.name for each in deliveries} == {f"delivery-{number}" for number in range(1, COUNT + 1)}
        assert Counter((each.state, each.attempts) for each in deliveries) == {(DeliveryState.HANDLED, 1): COUNT}
        reviews = [
            review
            for number in range(20)
            for review in await store.reviews_of(RepositoryId.parse(HOST, f"org/repo{number}"), limit=COUNT)
        ]
        assert Counter((each.state, each.round) for each in reviews) == {(ReviewState.WAITING, 1): COUNT}
        assert {each.wish.number for each in reviews} == set(range(1, COUNT + 1))


async def test_a_thousand_deliveries_sent_twice_are_each_handled_once(tmp_path: Path) -> None:
    with server(tmp_path) as (process, port):
        with load(port) as sending:
            assert sending.stdout is not None
            assert sending.stdout.readline() == "half\n"
            statuses = Counter(report(sending)["statuses"])
        assert statuses == {202: COUNT, 200: COUNT}
        await wait_until_handled(tmp_path)
        stopped(process)
    await assert_each_handled_once(tmp_path)


async def test_a_kill_in_the_middle_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    with server(tmp_path) as (process, port), load(port) as sending:
        assert sending.stdout is not None
        assert sending.stdout.readline() == "half\n"
        process.kill()
        process.wait()
        with server(tmp_path, port) as (again, _):
            statuses = Counter(report(sending)["statuses"])
            assert statuses.keys() == {200, 202}
            assert statuses.total() == 2 * COUNT
            await wait_until_handled(tmp_path)
            stopped(again)
    await assert_each_handled_once(tmp_path)
