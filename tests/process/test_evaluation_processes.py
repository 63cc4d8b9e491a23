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
    script = [batch, batch, wait] if stage == "evaluating" else [batch]
    async with open_store(here / "facts.db") as store:
        evaluator = ScriptedEvaluator(script)
        async with Evaluations(store, evaluator, SteppingClock(), here / "roots", Broadcast()) as service:
            await service.evaluate(key(), ReviewSide.BASE, request)
            wait()

anyio.run(main)
"""


@pytest.fixture(params=["evaluating", "holding"])
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path), request.param]
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


async def test_a_killed_evaluation_is_made_again_in_full(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.kill()
    await anyio.to_thread.run_sync(holder.wait)
    files = DerivationFiles(tmp_path / "store")
    again = ScriptedEvaluator([[files.attribute(f"a{at}") for at in range(600)]])
    made = await evaluate(tmp_path, "packages", again)
    async with open_store(tmp_path / "facts.db") as store:
        contents = await store.contents(made.record.id)
        assert len(contents.attributes) == 600
        assert len(await store.closure([each.derivation for each in contents.attributes.values()])) == 600
