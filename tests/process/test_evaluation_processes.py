"""Evaluations that another process holds, and those of a process that was killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from ekaci_core.api import EvaluationRequest
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation import Evaluated, Evaluations
from ekaci_core.model.event import ReviewEvent, ReviewSide
from ekaci_core.store import open_store
from ekaci_core.testing.facts import key
from ekaci_core.testing.scripted import DerivationFiles, ScriptedEvaluator, SteppingClock

pytestmark = pytest.mark.anyio

HOLDER = """
import sys
from pathlib import Path
import anyio
from ekaci_core.api import EvaluationRequest
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation import Evaluations
from ekaci_core.model.event import ReviewSide
from ekaci_core.store import open_store
from ekaci_core.testing.facts import key
from ekaci_core.testing.scripted import DerivationFiles, ScriptedEvaluator, SteppingClock

here, stage = Path(sys.argv[1]), sys.argv[2]
files = DerivationFiles(here / "store")

def wait():
    print("here", flush=True)
    sys.stdin.read()

async def request(gc_roots):
    return EvaluationRequest(root=here, file="default.nix", gc_roots=gc_roots)

async def main():
    batch = [files.attribute(f"a{at}") for at in range(600)]
    scripts = {"evaluating": [batch, batch, wait], "half-way": [batch[:400]], "holding": [batch]}
    async with open_store(here / "facts.db") as store:
        async def stored():
            [use] = await store.evaluations()
            while len((await store.contents(use.id)).attributes) < 400:
                await anyio.sleep(0.01)
            wait()

        evaluator = ScriptedEvaluator(scripts[stage] + ([stored] if stage == "half-way" else []))
        async with Evaluations(store, evaluator, SteppingClock(), here / "roots", Broadcast()) as service:
            await service.evaluate(key(), ReviewSide.BASE, request)
            wait()

anyio.run(main)
"""


@pytest.fixture(params=["evaluating", "half-way", "holding"])
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def holder(stage: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path), stage]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
        process.kill()


async def evaluate(here: Path, job: str, script: ScriptedEvaluator) -> Evaluated:
    async def request(gc_roots: Path) -> EvaluationRequest:
        return EvaluationRequest(root=here, file="default.nix", gc_roots=gc_roots)

    events: Broadcast[ReviewEvent] = Broadcast()
    async with (
        open_store(here / "facts.db") as store,
        Evaluations(store, script, SteppingClock(), here / "roots", events, keep=0) as service,
    ):
        return await service.evaluate(key(job), ReviewSide.HEAD, request)


async def directories(here: Path) -> set[str]:
    return {entry.name async for entry in anyio.Path(here, "roots").iterdir() if await entry.is_dir()}


async def test_what_another_process_holds_stays_until_it_dies(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    (held,) = await directories(tmp_path)
    nothing = ScriptedEvaluator([])
    ours = await evaluate(tmp_path, "ours", nothing)
    assert await directories(tmp_path) == {held, Path(ours.record.gc_roots).name}
    holder.kill()
    await anyio.to_thread.run_sync(holder.wait)
    last = await evaluate(tmp_path, "last", nothing)
    assert await directories(tmp_path) == {Path(last.record.gc_roots).name}
    async with open_store(tmp_path / "facts.db") as store:
        assert [use.id for use in await store.evaluations()] == [last.record.id]


async def test_a_killed_evaluation_is_continued_and_complete(
    holder: subprocess.Popen[str], stage: str, tmp_path: Path
) -> None:
    [before] = await directories(tmp_path)
    holder.kill()
    await anyio.to_thread.run_sync(holder.wait)
    files = DerivationFiles(tmp_path / "store")
    again = ScriptedEvaluator([[files.attribute(f"a{at}") for at in range(600)]])
    made = await evaluate(tmp_path, "packages", again)
    if stage == "half-way":
        assert again.yielded == [f"a{at}" for at in range(400, 600)]
        assert Path(made.record.gc_roots).name == before
        assert await anyio.Path(made.record.gc_roots, "root-0").exists()
    async with open_store(tmp_path / "facts.db") as store:
        contents = await store.contents(made.record.id)
        assert len(contents.attributes) == 600
        assert len(await store.closure([each.derivation for each in contents.attributes.values()])) == 600
