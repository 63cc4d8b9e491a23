"""What forges have given us is compared with what we know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from ekaci_core.api import Branch, CommitSha, InfrastructureFault, RepositoryId
from ekaci_core.intake.reconciling import Reconciling
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.testing.scripted_forge import HOST, ScriptedForge

if TYPE_CHECKING:
    from tests.unit.intake.conftest import Bench

pytestmark = pytest.mark.anyio

HERE, THERE, MINE = (RepositoryId.parse(HOST, path) for path in ("org/here", "Org/There", "me/mine"))


def wish(repository: RepositoryId) -> ReviewWish:
    sha = CommitSha.parse("a" * 40)
    return ReviewWish(repository, Occasion.PULL_REQUEST, 1, Branch("main"), None, sha, "refs/pull/1/head", True, "ann")  # noqa: FBT003


def comparing(bench: Bench, **others: ScriptedForge) -> Reconciling:
    forges = [OpenForge("scripted", name, forge) for name, forge in {"app": bench.forge, **others}.items()]
    return Reconciling(bench.store, forges, bench.intake().commands, bench.log, confirm_seconds=0.01)


async def looks(reconciling: Reconciling, forge: ScriptedForge, times: int) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reconciling.run)
        with anyio.fail_after(20):
            while forge.asked.count("repositories") < times:  # noqa: ASYNC110 - a scripted forge wakes nobody
                await anyio.sleep(0.005)
        await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()


async def test_what_was_given_unheard_is_noted(bench: Bench) -> None:
    bench.forge.given = [HERE, THERE]
    second = ScriptedForge()
    second.given = [MINE]
    await looks(comparing(bench, second=second), second, 1)
    assert set(await bench.store.installed(HOST)) == {HERE, THERE, MINE}
    assert ("repositories_compared", {"forge": HOST, "new": 3, "gone": 0}) in bench.log.events


async def test_what_was_taken_away_unheard_is_given_up_after_a_second_look(bench: Bench) -> None:
    await bench.store.note_installed(HOST, "app", [HERE, THERE], now=1.0)
    for repository in (HERE, THERE):
        await bench.store.ask_review(wish(repository), ReviewState.QUEUED, now=1.0)
    bench.forge.given = [HERE]
    await looks(comparing(bench), bench.forge, 2)
    assert await bench.store.installed(HOST) == [HERE]
    live = await bench.store.live_reviews()
    assert [each.wish.repository for each in live] == [HERE]


async def test_what_one_of_two_has_is_there(bench: Bench) -> None:
    await bench.store.note_installed(HOST, "app", [HERE], now=1.0)
    second = ScriptedForge()
    second.given = [RepositoryId.parse(HOST, "ORG/Here")]
    await looks(comparing(bench, second=second), second, 1)
    assert await bench.store.installed(HOST) == [RepositoryId.parse(HOST, "ORG/Here")]


async def test_a_forge_that_does_not_answer_takes_nothing_away(bench: Bench) -> None:
    await bench.store.note_installed(HOST, "app", [HERE], now=1.0)
    bench.forge.faults = [InfrastructureFault("out of order")]
    await looks(comparing(bench), bench.forge, 1)
    assert await bench.store.installed(HOST) == [HERE]
    assert [name for name, _ in bench.log.events] == ["repositories_not_compared"]
