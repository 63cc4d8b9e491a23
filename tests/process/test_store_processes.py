"""Several real processes on one database, and one that is killed or runs out of space."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from ekaci_core.store import open_store
from ekaci_core.testing.facts import drv, evaluated, key, record

PRELUDE = """
import resource, signal, sys
from pathlib import Path
import anyio
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.store import open_store
from ekaci_core.testing.facts import attribute, drv, evaluated, key, record

path, name = Path(sys.argv[1]), sys.argv[2]
"""

FILL = """
async def main():
    async with open_store(path) as store:
        evaluation = await store.begin_evaluation(key(name), now=1, gc_roots="/roots")
        sys.stdin.readline()
        for part in range(30):
            names = [f"n{part}x{at}" for at in range(40)]
            below = ["root"] if part == 0 else [f"n{part - 1}x{at}" for at in range(40)]
            records = [record("root"), *(record(each, *below) for each in names)]
            await store.add_evaluated(evaluation, records, [attribute(each) for each in names])
        await store.finish_evaluation(evaluation, now=2)

anyio.run(main)
"""

BRIEF = """
async def main():
    async with open_store(path) as store:
        await evaluated(store, of=key(name))

anyio.run(main)
"""

ENDLESS = """
async def main():
    async with open_store(path) as store:
        evaluation = await store.begin_evaluation(key(name), now=1, gc_roots="/roots")
        part = 0
        while True:
            names = [f"{name}{part}x{at}" for at in range(200)]
            await store.add_evaluated(evaluation, [record(each) for each in names], [attribute(each) for each in names])
            part += 1
            print(part, flush=True)

anyio.run(main)
"""

BOUNDED = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))

async def main():
    async with open_store(path) as store:
        evaluation = await store.begin_evaluation(key(name), now=1, gc_roots="/roots")
        part = 0
        while True:
            try:
                await store.add_evaluated(evaluation, [record(f"{part}x{at}") for at in range(200)], [])
            except InfrastructureFault as raised:
                fault = raised
                break
            part += 1
        print(part, fault.what, "|", fault.where, "|", fault.do, flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.finish_evaluation(evaluation, now=2)

anyio.run(main)
"""


def start(script: str, path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(script), str(path), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], text: str | None = None) -> str:
    output, errors = process.communicate(text)
    assert process.returncode == 0, errors
    return output


def check(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.anyio
async def test_two_processes_fill_one_database(tmp_path: Path) -> None:
    """Both begin with no file, and store the same derivations at the same time."""
    path = tmp_path / "facts.db"
    processes = [start(FILL, path, f"job{number}") for number in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        finish(process)
    check(path)
    async with open_store(path) as store:
        for number in range(2):
            found = await store.find_evaluation(key(f"job{number}"))
            assert found is not None
            contents = await store.contents(found.id)
            assert len(contents.attributes) == 30 * 40
            dag = await store.closure([each.derivation for each in contents.attributes.values()])
            assert (len(dag), dag.edges) == (1 + 30 * 40, 40 + 29 * 40 * 40)


@pytest.mark.anyio
async def test_many_processes_open_a_new_database_at_once(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    script = (
        "async def main():\n    async with open_store(path) as store:\n        await evaluated(store, of=key(name))\n"
    )
    processes = [start(f"{script}anyio.run(main)", path, f"job{number}") for number in range(6)]
    for process in processes:
        finish(process)
    check(path)
    async with open_store(path) as store:
        assert len(await store.evaluations()) == 6


@pytest.mark.anyio
async def test_a_killed_process_leaves_whole_transactions(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    process = start(ENDLESS, path, "killed")
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(5)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert told[-1] == "5\n"
    check(path)
    async with open_store(path) as store:
        assert await store.find_evaluation(key("killed")) is None
        (left,) = await store.evaluations()
        attributes = (await store.contents(left.id)).attributes
        assert len(attributes) % 200 == 0
        assert len(attributes) >= 5 * 200
        await evaluated(store, [record("after")])
        assert await store.known_derivations([drv("after")])


@pytest.mark.anyio
async def test_no_space_left_is_a_fault_and_loses_nothing(tmp_path: Path) -> None:
    """The limit on the size of files stands for the end of the disk; writing goes on when there is space again."""
    path = tmp_path / "facts.db"
    parts, _, rest = finish(start(BOUNDED, path, "job")).partition(" ")
    what, where, do = rest.split("|")
    assert "cannot be read or written" in what or "no space is left" in what
    assert where.strip() == str(path)
    assert "space" in do
    check(path)
    async with open_store(path) as store:
        assert await store.find_evaluation(key("job"))
        for part in range(int(parts)):
            names = [drv(f"{part}x{at}") for at in range(200)]
            assert len(await store.known_derivations(names)) == 200
        assert await store.known_derivations([drv(f"{parts}x{at}") for at in range(200)]) == frozenset()
