from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from ekaci_core.evaluation.retention import retire, surplus
from ekaci_core.evaluation.roots import Roots
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import EvaluationId, EvaluationUse
from ekaci_core.testing.facts import key

pytestmark = pytest.mark.anyio


def use(number: int, used_at: float, *, finished: bool = True, obsolete: bool = False) -> EvaluationUse:
    return EvaluationUse(EvaluationId(number), f"/roots/{number}", finished, used_at, obsolete)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as store:
        yield store


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots.at(tmp_path / "roots")


async def evaluation(store: Store, roots: Roots, job: str, *, finished: bool = True) -> Path:
    lease = roots.new()
    number = await store.begin_evaluation(key(job), now=1, gc_roots=str(lease.directory))
    if finished:
        await store.finish_evaluation(number, now=2)
    lease.release()
    return lease.directory


def test_the_last_used_stay_finished_or_not_and_what_is_obsolete_goes() -> None:
    obsolete = use(4, 99, finished=False, obsolete=True)
    uses = [use(1, 50), use(2, 10), use(3, 30), obsolete, use(5, 30), use(6, 40, finished=False)]
    assert [each.id for each in surplus(uses, 3)] == [4, 3, 2]
    assert [each.id for each in surplus(uses, 1)] == [4, 6, 5, 3, 2]
    assert [each.id for each in surplus(uses, 9)] == [4]
    assert surplus([], 2) == []


def test_what_nobody_used_for_too_long_goes_however_few_there_are() -> None:
    uses = [use(1, 50), use(2, 10), use(3, 30, finished=False)]
    assert [each.id for each in surplus(uses, 9, since=30)] == [2]
    assert [each.id for each in surplus(uses, 1, since=30)] == [3, 2]
    assert [each.id for each in surplus(uses, 9, since=51)] == [1, 3, 2]


async def test_what_was_left_by_a_dead_process_goes(store: Store, roots: Roots) -> None:
    kept = await evaluation(store, roots, "kept")
    await evaluation(store, roots, "unfinished", finished=False)
    orphan = roots.new()  # killed between making the directory and telling the store
    orphan.release()
    assert await retire(store, roots, keep=5) == 1
    assert roots.present() == [kept]
    assert [each.gc_roots for each in await store.evaluations()] == [str(kept)]


async def test_what_a_process_is_making_stays(store: Store, roots: Roots) -> None:
    held = roots.new()
    assert await retire(store, roots, keep=0) == 0
    assert held.directory.is_dir()
    await store.begin_evaluation(key(), now=1, gc_roots=str(held.directory))
    assert await retire(store, roots, keep=0) == 0
    assert len(await store.evaluations()) == 1
    held.release()
    assert await retire(store, roots, keep=0) == 1
    assert roots.present() == []


async def test_evaluations_whose_directory_is_gone_are_dropped(store: Store, roots: Roots, tmp_path: Path) -> None:
    await evaluation(store, roots, "one")
    await anyio.to_thread.run_sync(shutil.rmtree, tmp_path / "roots")
    assert await retire(store, roots, keep=0) == 1
    assert await store.evaluations() == ()


async def test_an_unfinished_one_has_a_single_maker(roots: Roots) -> None:
    maker = roots.new()
    path = str(maker.directory)
    assert roots.take_up(path) is None, "its maker is at it"
    user = roots.use(path)
    assert user is not None
    maker.release()
    second = roots.take_up(path)
    assert second is not None, "whoever only uses it does not matter"
    assert roots.take_up(path) is None
    user.release()
    assert roots.take_over(second.directory) is None
    second.release()
    remover = roots.take_over(second.directory)
    assert remover is not None
    assert roots.take_up(path) is None, "it is about to be removed"
    remover.remove()
    assert roots.take_up(path) is None
    assert roots.present() == []
