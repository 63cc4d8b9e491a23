"""Builds that ran out of memory, or pose as if: what counts is evidence."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from ekaci_core.builtin.local_builder.memory import Counter
from ekaci_core.model.build import BuildState

if TYPE_CHECKING:
    from tests.nix.conftest import BuildBench

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

S = BuildState
PATIENCE_SECONDS = 60


@pytest.mark.parametrize(
    ("name", "says"), [("hungry", "killed by signal 9"), ("compiler", "Killed signal terminated program cc1")]
)
async def test_a_kill_and_a_moved_counter_are_out_of_memory(build_bench: BuildBench, name: str, says: str) -> None:
    events = build_bench.folder / "events"
    events.write_text("low 0\noom_kill 0\n")
    builder = attrs.evolve(build_bench.builder, counters=(Counter(events, "the control group /builds"),))
    assert await build_bench.scheduler(builder=builder).build(build_bench.wanted(name)) == (), "other builds go on"
    (attempt,) = await build_bench.assert_interrupted(name, S.OUT_OF_MEMORY)
    assert says in attempt.reason
    assert "out-of-memory kills of the control group /builds went from 0 to 1" in attempt.reason


def memory_group() -> Path:
    """The memory control group below which a test may make its own, as whoever runs the tests says."""
    given = os.environ.get("TEST_MEMORY_GROUP")
    if not given:
        pytest.skip("no control group to run out of memory in: set TEST_MEMORY_GROUP to one that tests may use")
    return Path(given)


@contextmanager
def limited(group: Path, mebibytes: int) -> Iterator[tuple[Path, Counter]]:
    """Make a group with so much memory and no swap; remove it in the end."""
    own = group / f"ekaci-{uuid.uuid4().hex[:8]}"
    own.mkdir()
    try:
        unified = (own / "memory.events").exists()
        if not unified and not (own / "memory.oom_control").exists():
            pytest.fail(f"{group} does not account memory to the groups below it")
        most = str(mebibytes << 20)
        (own / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(most)
        swap = own / ("memory.swap.max" if unified else "memory.memsw.limit_in_bytes")
        if swap.exists():
            swap.write_text("0" if unified else most)
        yield own, Counter(own / ("memory.events" if unified else "memory.oom_control"), "the group of the test")
    finally:
        own.rmdir()


def in_group(own: Path, environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Return an environment whose Nix builds in this group."""
    real = shutil.which("nix-store", path=environment["PATH"])
    folder.mkdir()
    wrapper = folder / "nix-store"
    wrapper.write_text(f'#!/bin/sh\necho $$ > {own}/cgroup.procs || exit 1\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    return {**environment, "PATH": f"{folder}:{environment['PATH']}"}


async def test_a_build_that_runs_out_of_memory_is_told_from_a_failing_one(build_bench: BuildBench) -> None:
    with limited(memory_group(), mebibytes=64) as (own, counter):
        environment = in_group(own, build_bench.environment, build_bench.folder / "bin")
        builder = attrs.evolve(build_bench.builder, environment=environment, counters=(counter,))
        await build_bench.scheduler(builder=builder).build(build_bench.wanted("greedy"))
        (attempt,) = await build_bench.assert_interrupted("greedy", S.OUT_OF_MEMORY)
        assert "the group of the test went from 0 to 1" in attempt.reason
