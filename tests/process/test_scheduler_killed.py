from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ekaci_core.api import BuildOutcome, BuildRequest, Built
from ekaci_core.model.build import BuildState
from ekaci_core.scheduler import Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

pytestmark = pytest.mark.anyio

# Runs the scheduler over the same graph as the test; each build says that it begins, and leaves a file when done.
CHILD = """
import sys
from pathlib import Path

import anyio

from ekaci_core.api import Built
from ekaci_core.scheduler import Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

folder, graph = Path(sys.argv[1]), [line.split() for line in sys.argv[2].splitlines()]


async def act(request):
    sys.stdout.write(request.derivation.name + "\\n")
    sys.stdout.flush()
    await anyio.sleep(0.002)
    (folder / "valid" / request.derivation.name).touch()
    return Built()


async def main():
    nix = ScriptedNix()
    for name, *inputs in graph:
        nix.derivation(name, inputs)
    async with open_store(folder / "db") as store:
        await nix.evaluated(store)
        builder = ScriptedBuilder(nix, {name: [act] for name in nix.records}, slots=3)
        await scripted_scheduler(store, nix, [builder], folder).build([Wanted(drv_path("top"))])


anyio.run(main)
"""

LAYERS = 8
GRAPH = [["l0a"], ["l0b"], ["l0c"]]
GRAPH += [[f"l{n}{x}", *(f"l{n - 1}{y}" for y in "abc" if y != x)] for n in range(1, LAYERS) for x in "abc"]
GRAPH += [["top", f"l{LAYERS - 1}a", f"l{LAYERS - 1}b", f"l{LAYERS - 1}c"]]


def killed_run(folder: Path, builds: int) -> list[str]:
    """Kill a run when so many builds have begun; return the names of all that did."""
    (folder / "valid").mkdir()
    text = "\n".join(" ".join(row) for row in GRAPH)
    argv = [sys.executable, "-c", CHILD, str(folder), text]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        begun = [child.stdout.readline().strip() for _ in range(builds)]
        child.send_signal(signal.SIGKILL)
        begun += child.stdout.read().split()
    assert child.returncode == -signal.SIGKILL
    return begun


@pytest.mark.parametrize("builds", [1, 2, 5, 12, 24])
async def test_a_killed_run_loses_nothing_and_the_next_continues(tmp_path: Path, builds: int) -> None:
    begun = killed_run(tmp_path, builds)
    nix = ScriptedNix()
    for name, *inputs in GRAPH:
        nix.derivation(name, inputs)
    built = {file.name for file in (tmp_path / "valid").iterdir()}
    nix.valid = set(built)
    async with open_store(tmp_path / "db") as store:
        attempts = await store.last_attempts([drv_path(name) for name in begun])
        assert {drv.name for drv in attempts} == set(begun), "a build begins after its row is written"
        died = {drv.name: attempt.id for drv, attempt in attempts.items() if attempt.ended_at is None}

        reasons: list[BuildState | None] = []

        async def look(request: BuildRequest) -> BuildOutcome:
            reasons.append((await store.builds([request.derivation.path]))[request.derivation.path].state)
            return Built()

        builder = ScriptedBuilder(nix, {name: [look] for name in nix.records}, slots=3)
        await scripted_scheduler(store, nix, [builder], tmp_path).build([Wanted(drv_path("top"))])
        assert builder.violations == []
        assert set(builder.attempts) == set(nix.records) - built, "what was built is not built again"
        assert set(reasons) == {BuildState.BUILDING}
        states = await store.builds([drv_path(name) for name in builder.attempts])
        assert {(build.state, build.failures) for build in states.values()} == {(BuildState.SUCCESS, 0)}
        later = await store.last_attempts([drv_path(name) for name in died if name not in built])
        assert all(attempt.id > died[drv.name] for drv, attempt in later.items())
        left = await store.builds([drv_path(name) for name in begun])
        assert BuildState.BUILDING not in {build.state for build in left.values()}
        ends = (await store.last_attempts([drv_path(name) for name in set(died) & built])).values()
        assert {attempt.outcome for attempt in ends} <= {BuildState.SCHEDULER_DEATH}
        assert await store.claims() == {}
