"""Evaluations that were interrupted: the next one of the same key continues."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.api import EvaluationRequest, EvaluatorUnavailable, InfrastructureFault
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation import Evaluated, Evaluations
from ekaci_core.evaluation.roots import Roots
from ekaci_core.model.evaluation import AttributeFault, EvaluationKey, FaultKind, NullAttribute
from ekaci_core.model.event import EvaluationContinued, EvaluationProgress, ReviewEvent, ReviewSide
from ekaci_core.model.ids import AttrPath
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import EvaluationContents
from ekaci_core.testing.facts import key
from ekaci_core.testing.scripted import DerivationFiles, ScriptedEvaluator, Step, SteppingClock

pytestmark = pytest.mark.anyio

NULL = NullAttribute(AttrPath("n"))
ERROR = AttributeFault(AttrPath("broken"), FaultKind.ERROR, "error: no")
NO_SPACE = InfrastructureFault("no space", where="/", do="Make room.")


@attrs.define
class Desk:
    """The parts of the service under test, to make it anew as another process would."""

    store: Store
    roots: Path
    files: DerivationFiles
    events: Broadcast[ReviewEvent] = attrs.field(factory=Broadcast)
    clock: SteppingClock = attrs.field(factory=SteppingClock)

    async def evaluate(
        self, evaluator: ScriptedEvaluator, of: EvaluationKey | None = None, *, keep: int = 20, anew: bool = False
    ) -> Evaluated:
        async def request(gc_roots: Path) -> EvaluationRequest:
            return EvaluationRequest(root=self.roots, file="default.nix", gc_roots=gc_roots)

        service = Evaluations(self.store, evaluator, self.clock, self.roots, self.events, keep=keep)
        async with service:
            return await service.evaluate(of or key(), ReviewSide.HEAD, request, anew=anew)

    async def contents(self) -> EvaluationContents:
        [use] = await self.store.evaluations()
        return await self.store.contents(use.id)

    def stored(self, attributes: int) -> Callable[[], Awaitable[None]]:
        """Make a step that waits until so many attributes are stored."""

        async def wait() -> None:
            while len((await self.contents()).attributes) < attributes:  # noqa: ASYNC110 - the store has no events
                await anyio.sleep(0.01)

        return wait

    async def interrupted(self, *script: Step, fault: Exception | None = None) -> ScriptedEvaluator:
        """Evaluate up to the end of a script, then cancel or fail."""
        with anyio.CancelScope() as scope:
            evaluator = ScriptedEvaluator([*script, fault or scope.cancel, [ERROR]])
            if fault is None:
                await self.evaluate(evaluator)
            else:
                with pytest.raises(type(fault)):
                    await self.evaluate(evaluator)
        assert scope.cancelled_caught == (fault is None)
        assert evaluator.running == 0
        return evaluator

    def directories(self) -> list[str]:
        return [str(each) for each in Roots.at(self.roots).present()]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_store(None) as store:
        yield Desk(store, tmp_path / "roots", DerivationFiles(tmp_path / "store"))


@pytest.fixture
def whole(desk: Desk) -> list[Step]:
    """A script of everything."""
    lib = desk.files.add("lib")
    return [
        [desk.files.attribute("a", lib), NULL],
        [desk.files.attribute("b", desk.files.add("dep", lib))],
        [desk.files.attribute("c"), ERROR],
    ]


@pytest.mark.parametrize("fault", [None, NO_SPACE, EvaluatorUnavailable("gone")], ids=["cancelled", "fault", "gone"])
async def test_the_second_run_evaluates_the_rest_and_has_the_same(
    desk: Desk, whole: list[Step], fault: Exception | None, tmp_path: Path
) -> None:
    lost = AttributeFault(AttrPath("c"), FaultKind.TIMEOUT, "error: too slow")
    await desk.interrupted(*whole[:2], [lost, ERROR], desk.stored(2), fault=fault)
    [directory] = desk.directories()

    second = ScriptedEvaluator(whole)
    made = await desk.evaluate(second)
    assert not made.cached
    assert made.notes == ()
    assert second.yielded == ["n", "c", "broken"]
    assert second.requests[0].known == {"a", "b"}
    assert (made.record.gc_roots, desk.directories()) == (directory, [directory])
    assert await desk.store.find_evaluation(key()) == made.record

    async with open_store(None) as store:
        fresh = Desk(store, tmp_path / "other-roots", desk.files)
        uninterrupted = await fresh.evaluate(ScriptedEvaluator([step for step in whole if isinstance(step, list)]))
        expected, found = await store.contents(uninterrupted.record.id), await desk.contents()
        paths = await store.derivation_ids([desk.files.add(name) for name in ("a", "b", "c")])
        ours = await desk.store.derivation_ids(list(paths))
    assert found.faults == expected.faults == (ERROR,)
    assert found.nulls == expected.nulls == 1
    assert {ours[path]: paths[path] for path in paths} == {
        found.attributes[attr].derivation: each.derivation for attr, each in expected.attributes.items()
    }


async def test_what_is_known_counts_in_progress(desk: Desk, whole: list[Step]) -> None:
    await desk.interrupted(*whole[:2], desk.stored(2))
    with desk.events.listening() as listener:
        await desk.evaluate(ScriptedEvaluator(whole))
        desk.events.close()
        told = [event async for event in listener]
    assert told[1] == EvaluationContinued(ReviewSide.HEAD, "packages", 2)
    progress = [event for event in told if isinstance(event, EvaluationProgress)]
    assert min(event.attributes for event in progress) == 2
    assert (progress[-1].attributes, progress[-1].faults) == (3, 1)


async def test_an_evaluator_that_does_it_all_again_changes_nothing(desk: Desk, whole: list[Step]) -> None:
    await desk.interrupted(*whole[:2], desk.stored(2))
    worse = AttributeFault(AttrPath("a"), FaultKind.OUT_OF_MEMORY, "error: this time")
    second = ScriptedEvaluator([[worse], *whole[1:], [NULL]], spares_known=False)
    assert (await desk.evaluate(second)).notes == ()
    assert len(second.yielded) == 5
    contents = await desk.contents()
    assert contents.attributes.keys() == {"a", "b", "c"}
    assert (contents.faults, contents.nulls) == ((ERROR,), 1)
    assert (await desk.evaluate(second)).cached


async def test_it_can_be_interrupted_again_and_again(desk: Desk, whole: list[Step]) -> None:
    await desk.interrupted(whole[0], desk.stored(1))
    await desk.interrupted(*whole[:1])
    second = await desk.interrupted(*whole[:2], desk.stored(2))
    assert second.yielded == ["n", "b"]
    last = ScriptedEvaluator(whole)
    await desk.evaluate(last)
    assert last.yielded == ["n", "c", "broken"]
    assert (await desk.contents()).nulls == 1


async def test_after_a_defect_nothing_is_relied_on(desk: Desk, whole: list[Step]) -> None:
    await desk.interrupted(*whole[:2], desk.stored(2), fault=RuntimeError("a surprise"))
    assert await desk.store.evaluations() == ()
    assert desk.directories() == []


async def test_one_in_the_making_is_left_to_its_maker(desk: Desk, whole: list[Step]) -> None:
    made: list[Evaluated] = []

    async def meanwhile() -> None:
        made.append(await desk.evaluate(ScriptedEvaluator(whole), keep=0))

    first = ScriptedEvaluator([*whole[:2], desk.stored(2), meanwhile, whole[2]])
    own = await desk.evaluate(first)
    assert len(first.yielded) == 5
    assert made[0].record.id != own.record.id
    assert (await desk.store.contents(own.record.id)).attributes.keys() == {"a", "b", "c"}


async def test_a_vanished_derivation_or_directory_begins_anew(desk: Desk, whole: list[Step]) -> None:
    await desk.interrupted(*whole[:2], desk.stored(2))
    await anyio.Path(desk.files.add("b")).unlink()
    restored = ScriptedEvaluator([lambda: desk.files.add("b"), *whole])
    await desk.evaluate(restored)
    assert not restored.requests[0].known
    assert len(desk.directories()) == 1, "what cannot be continued goes once there is a finished one"

    await desk.store.drop_evaluations([use.id for use in await desk.store.evaluations()])
    await desk.interrupted(*whole[:2], desk.stored(2))
    for directory in desk.directories():
        await anyio.to_thread.run_sync(shutil.rmtree, directory)
    fresh = ScriptedEvaluator(whole)
    await desk.evaluate(fresh)
    assert not fresh.requests[0].known


async def test_another_key_is_another_evaluation(desk: Desk, whole: list[Step]) -> None:
    await desk.interrupted(*whole[:2], desk.stored(2))
    other = ScriptedEvaluator(whole)
    await desk.evaluate(other, key("other"))
    assert not other.requests[0].known
    assert len(desk.directories()) == 2, "the interrupted one waits to be continued"


async def test_anew_is_from_the_beginning(desk: Desk, whole: list[Step]) -> None:
    await desk.interrupted(*whole[:2], desk.stored(2))
    anew = ScriptedEvaluator(whole)
    await desk.evaluate(anew, anew=True)
    assert not anew.requests[0].known
    assert len(desk.directories()) == 1


async def test_the_oldest_go_though_unfinished(desk: Desk, whole: list[Step]) -> None:
    await desk.interrupted(*whole[:2], desk.stored(2))
    await desk.evaluate(ScriptedEvaluator(whole), key("second"), keep=2)
    assert len(desk.directories()) == 2
    await desk.evaluate(ScriptedEvaluator(whole), key("third"), keep=2)
    uses = await desk.store.evaluations()
    assert [use.finished for use in uses] == [True, True]
    assert sorted(use.gc_roots for use in uses) == desk.directories()
