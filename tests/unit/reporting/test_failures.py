"""Failures as the store tells them, with logs in real files."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.unit.reporting.conftest import ARM, change, comparison, drv, side

from ekaci_core.changes import outcomes_of
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, Failure
from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.ids import DrvPath, System, TreeHash
from ekaci_core.reporting import collect_failures
from ekaci_core.reporting.reproduce import reproduce
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import BuildChange

pytestmark = pytest.mark.anyio

LIB, LEAF, OLD_LEAF = drv("lib-1", "2"), drv("leaf-1", "1"), drv("leaf-1")


def record(path: DrvPath, inputs: Sequence[DrvPath] = (), system: System = ARM) -> DerivationRecord:
    return DerivationRecord(path, path.name, system, tuple(inputs), (Output("out", None),))


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as opened:
        key = EvaluationKey(TreeHash.parse("0" * 40), "job", "ci.nix", "", "test", "source", "")
        evaluation = await opened.begin_evaluation(key, now=0.0, gc_roots="")
        names = [record(LIB), record(LEAF, [LIB]), record(OLD_LEAF), record(drv("other-1", "1"))]
        await opened.add_evaluated(evaluation, names, [])
        yield opened


async def failed(store: Store, path: DrvPath, log: Path | None, reason: str = "exit code 1") -> None:
    attempt = await store.begin_attempt(path, builder="local", log_path=str(log) if log else None, now=1.0)
    await store.end_attempt(attempt, now=2.0, exit_status=1, outcome=BuildState.FAILURE, reason=reason)


async def collected(store: Store, builds: Sequence[Build], *changes: AttributeChange) -> tuple[Failure, ...]:
    await store.record_builds([BuildChange(build, 0.0, "test") for build in builds])
    known = {build.drv: build for build in builds}
    return await collect_failures(store, outcomes_of([comparison(changes)], known))


ADDED = change("leaf", None, side("leaf-1", "1"))


async def test_a_failure_with_the_end_of_its_log(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_bytes(b"".join(b"line %d \x1b[31mred\x1b[0m\n" % at for at in range(100)))
    await failed(store, LEAF, log)

    (failure,) = await collected(store, [Build(LEAF, BuildState.FAILURE)], ADDED)

    assert failure == Failure(
        places=(ADDED.place,),
        drv=LEAF,
        system=ARM,
        state=BuildState.FAILURE,
        reason="exit code 1",
        log_tail=tuple(f"line {at} red" for at in range(70, 100)),
        log_path=str(log),
        reproduce=f"nix-store --realise {LEAF}",
        on_base_too=False,
    )


async def test_a_transitive_failure_names_what_is_at_fault(store: Store) -> None:
    await failed(store, LIB, None)
    held_up = Build(LEAF, BuildState.TRANSITIVE_FAILURE, blockers=frozenset({LIB}))

    (failure,) = await collected(
        store,
        [Build(LIB, BuildState.FAILURE), held_up],
        ADDED,
        change("lib", None, side("lib-1", "2")),
    )

    assert failure.drv == LIB
    assert failure.attrs == ("leaf", "lib")


async def test_a_dependency_that_nobody_can_build_is_not_at_fault(store: Store) -> None:
    other = drv("other-1", "1")
    held_up = Build(LEAF, BuildState.TRANSITIVE_FAILURE, blockers=frozenset({LIB, other}))
    builds = [Build(LIB, BuildState.UNSATISFIABLE), Build(other, BuildState.FAILURE), held_up]

    assert [each.drv for each in await collected(store, builds, ADDED)] == [other]


async def test_the_newest_attempt_counts(store: Store) -> None:
    await failed(store, LEAF, None, "first")
    await failed(store, LEAF, None, "second")

    (failure,) = await collected(store, [Build(LEAF, BuildState.FAILURE)], ADDED)

    assert failure.reason == "second"


@pytest.mark.parametrize("kind", ["gone", "directory"])
async def test_a_log_that_cannot_be_read_costs_nothing_else(store: Store, tmp_path: Path, kind: str) -> None:
    log = tmp_path / kind
    if kind == "directory":
        log.mkdir()
    await failed(store, LEAF, log)

    (failure,) = await collected(store, [Build(LEAF, BuildState.FAILURE)], ADDED)

    assert failure.log_tail == ()
    assert failure.log_path == (None if kind == "gone" else str(log))
    assert failure.reason == "exit code 1"


async def test_a_failure_without_an_attempt_says_its_state(store: Store) -> None:
    (failure,) = await collected(store, [Build(LEAF, BuildState.TIMEOUT)], ADDED)

    assert failure.reason == "its state is Timeout"
    assert failure.log_path is None


async def test_what_fails_newly_comes_first(store: Store) -> None:
    other = drv("other-1", "1")
    still = change("a-still", side("leaf-1"), side("leaf-1", "1"))
    builds = [Build(OLD_LEAF, BuildState.FAILURE), Build(LEAF, BuildState.FAILURE), Build(other, BuildState.FAILURE)]

    found = await collected(store, builds, still, change("z-new", None, side("other-1", "1")))

    assert [(each.attrs, each.on_base_too) for each in found] == [(("z-new",), False), (("a-still",), True)]


async def test_what_works_or_is_not_known_is_no_failure(store: Store) -> None:
    builds = [Build(LEAF, BuildState.SUCCESS), Build(LIB, BuildState.CANCELLED)]

    assert await collected(store, builds, ADDED, change("lib", None, side("lib-1", "2"))) == ()


def test_the_command_is_quoted_for_a_shell() -> None:
    odd = drv("what?=+._-1")

    assert shlex.split(reproduce(odd)) == ["nix-store", "--realise", odd]
    assert "'" in reproduce(odd)
