"""Random graphs with random outcomes: what must hold whatever the order of events."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio
import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from ekaci_core.api import BuildFailed, BuildInterrupted
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler import Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builds import Act, ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

S = BuildState
FAILS = BuildFailed("exit code 1", 1)
FINAL = BuildFailed("wrong hash", 102, final=True)
STOPPED = BuildInterrupted(S.TIMEOUT, "too long")

SCRIPTS: list[tuple[Act, ...]] = [(), (), (), (FAILS,), (FAILS, FAILS), (FINAL,), (STOPPED,), (FAILS, STOPPED)]


@attrs.frozen
class Case:
    """Inputs of each derivation, what its attempts do, what is valid, and what is wanted with which priority."""

    inputs: tuple[tuple[int, ...], ...]
    scripts: tuple[tuple[Act, ...], ...]
    valid: frozenset[int]
    wanted: tuple[tuple[int, int], ...]

    def nix(self) -> ScriptedNix:
        nix = ScriptedNix()
        for number, inputs in enumerate(self.inputs):
            nix.derivation(f"n{number}", [f"n{each}" for each in inputs])
        nix.valid = {f"n{number}" for number in self.valid}
        return nix

    def script(self) -> dict[str, tuple[Act, ...]]:
        return {f"n{number}": script for number, script in enumerate(self.scripts)}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 14))
    inputs = [tuple(sorted(draw(st.sets(st.integers(0, n - 1), max_size=4)))) if n else () for n in range(size)]
    return Case(
        tuple(inputs),
        tuple(draw(st.sampled_from(SCRIPTS)) for _ in range(size)),
        frozenset(draw(st.sets(st.integers(0, size - 1), max_size=3))),
        tuple(draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, 1)), min_size=1, max_size=5))),
    )


@attrs.frozen
class Outcome:
    builds: dict[DrvPath, Build]
    builder: ScriptedBuilder


async def outcome_of(case: Case, slots: int, runs: int = 1) -> Outcome:
    nix = case.nix()
    wishes = [Wanted(drv_path(f"n{number}"), priority) for number, priority in case.wanted]
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(None) as store:
            await nix.evaluated(store)
            builder = ScriptedBuilder(nix, case.script(), slots=slots)
            scheduler = scripted_scheduler(store, nix, [builder], Path(folder))
            for _ in range(runs):
                await scheduler.build(wishes)
            return Outcome(dict(await store.builds([record.path for record in nix.records.values()])), builder)


def needed(case: Case) -> set[int]:
    found: set[int] = set()
    pending = [number for number, _ in case.wanted]
    while pending:
        number = pending.pop()
        if number not in found and number not in case.valid:
            found.add(number)
            pending += case.inputs[number]
    return found


def expected(case: Case) -> dict[int, Build]:
    """Work out every end by looking at inputs alone."""
    ends: dict[int, Build] = {number: Build(drv_path(f"n{number}"), S.SUCCESS) for number, _ in case.wanted}
    for number in sorted(needed(case)):
        below = [ends[each] for each in case.inputs[number] if each in needed(case)]
        failed = {each.drv for each in below if each.state is S.FAILURE}.union(
            *(each.blockers for each in below if each.state is S.TRANSITIVE_FAILURE)
        )
        stopped = {each.drv for each in below if each.state is S.TIMEOUT}.union(
            *(each.blockers for each in below if each.state is S.BLOCKED)
        )
        script = case.scripts[number]
        failures = sum(isinstance(act, BuildFailed) for act in script)
        drv = drv_path(f"n{number}")
        if failed:
            ends[number] = Build(drv, S.TRANSITIVE_FAILURE, 0, frozenset(failed))
        elif stopped:
            ends[number] = Build(drv, S.BLOCKED, 0, frozenset(stopped))
        elif STOPPED in script:
            ends[number] = Build(drv, S.TIMEOUT, failures)
        elif FINAL in script or failures > 1:
            ends[number] = Build(drv, S.FAILURE, failures)
        else:
            ends[number] = Build(drv, S.SUCCESS, failures)
    return ends


@settings(max_examples=60)
@given(cases(), st.sampled_from([1, 2, 8]))
def test_every_derivation_ends_as_its_inputs_and_its_script_say(case: Case, slots: int) -> None:
    outcome = anyio.run(outcome_of, case, slots)
    assert outcome.builds == {build.drv: build for build in expected(case).values()}
    assert outcome.builder.violations == []
    assert outcome.builder.peak <= slots
    for name, attempts in outcome.builder.attempts.items():
        assert attempts <= max(1, min(2, len(outcome.builder.script[name]) + 1))


@settings(max_examples=40)
@given(cases())
def test_the_number_of_slots_changes_no_outcome(case: Case) -> None:
    one, eight = anyio.run(outcome_of, case, 1), anyio.run(outcome_of, case, 8)
    assert one.builds == eight.builds
    assert one.builder.attempts == eight.builder.attempts


@settings(max_examples=40)
@given(cases())
def test_a_second_run_builds_only_what_was_interrupted(case: Case) -> None:
    first, second = anyio.run(outcome_of, case, 2), anyio.run(outcome_of, case, 2, 2)
    for drv, build in first.builds.items():
        again = second.builder.attempts[drv.name] - first.builder.attempts[drv.name]
        now = second.builds[drv]
        if build.state in (S.SUCCESS, S.FAILURE):
            assert (again, now) == (0, build)
        if build.state is S.TRANSITIVE_FAILURE:
            # What was interrupted below it may have failed by now.
            assert (again, now.state, now.blockers >= build.blockers) == (0, build.state, True)
