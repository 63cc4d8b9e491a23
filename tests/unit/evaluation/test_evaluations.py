from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.api import EvaluationRequest, EvaluatorUnavailable, InfrastructureFault
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation import Evaluated, Evaluations
from ekaci_core.model.evaluation import AttributeFault, EvaluatedItem, EvaluationKey, FaultKind, NullAttribute
from ekaci_core.model.event import EvaluationFinished, EvaluationProgress, EvaluationStarted, ReviewEvent, ReviewSide
from ekaci_core.model.ids import AttrPath
from ekaci_core.nix.records import VanishedDerivation
from ekaci_core.store import Store, open_store
from ekaci_core.store.database import connected
from ekaci_core.store.migrate import migrations, prepare
from ekaci_core.store.sqlite import SqliteStore
from ekaci_core.testing.facts import key
from ekaci_core.testing.scripted import DerivationFiles, ScriptedEvaluator, Step, SteppingClock

pytestmark = pytest.mark.anyio

ERROR = AttributeFault(AttrPath("broken"), FaultKind.ERROR, "error: no")
NO_MEMORY = AttributeFault(AttrPath("large"), FaultKind.OUT_OF_MEMORY, "error: out of memory")


@pytest.fixture
def files(tmp_path: Path) -> DerivationFiles:
    return DerivationFiles(tmp_path / "store")


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as store:
        yield store


@attrs.define
class Desk:
    """The parts of the service under test, to make it anew as another process would."""

    store: Store
    roots: Path
    events: Broadcast[ReviewEvent] = attrs.field(factory=Broadcast)
    clock: SteppingClock = attrs.field(factory=SteppingClock)

    def service(self, evaluator: ScriptedEvaluator, keep: int = 20) -> Evaluations:
        return Evaluations(self.store, evaluator, self.clock, self.roots, self.events, keep=keep)

    async def evaluate(
        self, evaluator: ScriptedEvaluator, of: EvaluationKey | None = None, keep: int = 20
    ) -> Evaluated:
        async with self.service(evaluator, keep) as service:
            return await service.evaluate(of or key(), ReviewSide.HEAD, request)

    def kept(self) -> set[str]:
        return {entry.name for entry in self.roots.iterdir()} if self.roots.exists() else set()


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path / "roots")


async def request(gc_roots: Path) -> EvaluationRequest:
    return EvaluationRequest(root=gc_roots.parent, file="default.nix", gc_roots=gc_roots)


async def test_what_an_evaluator_yields_is_stored_with_all_below_it(desk: Desk, files: DerivationFiles) -> None:
    libc = files.add("libc")
    script: list[Step] = [
        [files.attribute("a", files.add("lib", libc), libc)],
        [ERROR, NullAttribute(AttrPath("n"))],
        [],
    ]
    made = await desk.evaluate(ScriptedEvaluator(script))
    assert not made.cached
    assert made.notes == ()
    contents = await desk.store.contents(made.record.id)
    assert contents.attributes.keys() == {"a"}
    assert contents.faults == (ERROR,)
    assert contents.nulls == 1
    dag = await desk.store.closure([each.derivation for each in contents.attributes.values()])
    assert (len(dag), dag.edges) == (3, 3)
    assert await desk.store.find_evaluation(key()) == made.record


async def test_a_known_evaluation_is_not_made_again(desk: Desk, files: DerivationFiles) -> None:
    evaluator = ScriptedEvaluator([[files.attribute("a")], [ERROR]])
    first = await desk.evaluate(evaluator)
    second = await desk.evaluate(evaluator)
    assert second.cached
    assert second.record == first.record
    assert len(evaluator.requests) == 1
    assert not (await desk.evaluate(evaluator, key("other"))).cached


async def test_what_is_looked_up_is_held_and_never_made(desk: Desk, files: DerivationFiles) -> None:
    made = await desk.evaluate(ScriptedEvaluator([[files.attribute("a")]]))
    evaluator = ScriptedEvaluator([])
    async with desk.service(evaluator) as service:
        assert (await service.look_up(key("other"), ReviewSide.BASE)).record is None
        assert (await service.look_up(key(), ReviewSide.BASE)).record == made.record
        await desk.evaluate(ScriptedEvaluator([[files.attribute("b")]]), key("next"), keep=0)
        assert (await desk.store.contents(made.record.id)).attributes
    assert evaluator.requests == []


async def test_it_is_made_anew_where_that_is_wanted(desk: Desk, files: DerivationFiles) -> None:
    evaluator = ScriptedEvaluator([[files.attribute("a")]])
    first = await desk.evaluate(evaluator)
    async with desk.service(evaluator) as service:
        second = await service.evaluate(key(), ReviewSide.HEAD, request, anew=True)
    assert (first.cached, second.cached) == (False, False)
    assert second.record.id != first.record.id
    third = await desk.evaluate(evaluator)
    assert (third.cached, third.record.id) == (True, second.record.id)


async def test_what_goes_on_is_told(desk: Desk, files: DerivationFiles) -> None:
    evaluator = ScriptedEvaluator([[files.attribute("a", files.add("lib"))], [ERROR]])
    with desk.events.listening() as listener:
        await desk.evaluate(evaluator)
        await desk.evaluate(evaluator)
        desk.events.close()
        told = [event async for event in listener]
    progress = [event for event in told if isinstance(event, EvaluationProgress)]
    assert told[0] == EvaluationStarted(ReviewSide.HEAD, "packages")
    assert progress[0] == EvaluationProgress(ReviewSide.HEAD, "packages", 1, 0, 0)
    assert progress[-1] == EvaluationProgress(ReviewSide.HEAD, "packages", 1, 1, 2)
    ends = [event for event in told if isinstance(event, EvaluationFinished)]
    assert [(end.job, end.cached) for end in ends] == [("packages", False), ("packages", True)]
    assert all(end.seconds > 0 for end in ends)


async def test_a_vanished_derivation_makes_it_evaluate_again(desk: Desk, files: DerivationFiles) -> None:
    attribute = files.attribute("a")
    first = await desk.evaluate(ScriptedEvaluator([[attribute, files.attribute("b")]]))
    await anyio.Path(attribute.drv).unlink()
    again = ScriptedEvaluator([lambda: files.add("a"), [attribute]])
    second = await desk.evaluate(again)
    assert not second.cached
    assert second.notes == (
        "1 derivation of an earlier evaluation of packages vanished from the Nix store; it is evaluated again.",
    )
    assert second.record.id != first.record.id
    assert (await desk.evaluate(again)).record == second.record


async def test_lost_gc_roots_make_it_evaluate_again(desk: Desk, files: DerivationFiles) -> None:
    evaluator = ScriptedEvaluator([[files.attribute("a")]])
    first = await desk.evaluate(evaluator)
    await anyio.to_thread.run_sync(lambda: Path(first.record.gc_roots).rename(desk.roots / "elsewhere"))
    second = await desk.evaluate(evaluator)
    assert not second.cached
    assert "gc roots" in second.notes[0]
    assert (await desk.evaluate(evaluator)).cached


@pytest.mark.parametrize(
    "fault",
    [
        EvaluatorUnavailable("no evaluator", where="nix", do="Install it."),
        InfrastructureFault("no space", where="/", do="Make room."),
        RuntimeError("a surprise"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_an_evaluators_fault_passes_as_it_is_and_nothing_stays(
    desk: Desk, files: DerivationFiles, fault: Exception
) -> None:
    evaluator = ScriptedEvaluator([[files.attribute("a")], fault])
    with pytest.raises(type(fault)) as raised:
        await desk.evaluate(evaluator)
    assert raised.value is fault
    assert evaluator.running == 0
    assert await desk.store.evaluations() == ()
    assert desk.kept() == set()


async def test_a_derivation_that_vanishes_meanwhile_is_named(desk: Desk, files: DerivationFiles) -> None:
    lib = files.add("lib")
    attribute = files.attribute("a", lib)
    await anyio.Path(lib).unlink()
    evaluator = ScriptedEvaluator([[attribute]])
    with pytest.raises(VanishedDerivation) as raised:
        await desk.evaluate(evaluator)
    assert raised.value.where == lib
    assert evaluator.running == 0
    assert await desk.store.evaluations() == ()


class FullStore(SqliteStore):
    """A store on a disk without space."""

    async def add_evaluated(self, *_: object, **__: object) -> None:
        raise InfrastructureFault("no space is left for the database", where="here", do="Make room.")

    async def drop_evaluations(self, *_: object) -> None:
        raise InfrastructureFault("still no space", where="here", do="Make room.")


async def test_a_full_disk_ends_the_evaluation_with_the_first_fault(tmp_path: Path, files: DerivationFiles) -> None:
    def fill(connection: object) -> None:
        prepare(connection, where="memory", steps=migrations())  # type: ignore[arg-type]

    async with connected(None, readers=0, prepare=fill) as database:
        desk = Desk(FullStore(database), tmp_path / "roots")
        endless: list[Sequence[EvaluatedItem]] = [[ERROR]] * 20_000
        evaluator = ScriptedEvaluator([[files.attribute("a")], *endless])
        with pytest.raises(InfrastructureFault, match="no space is left") as raised:
            await desk.evaluate(evaluator)
        assert evaluator.running == 0
        assert raised.value.__notes__ == ["Nor could its traces be removed: here: still no space"]
        retired = await Desk(SqliteStore(database), tmp_path / "roots").evaluate(ScriptedEvaluator([]), key("next"))
        assert [use.id for use in await SqliteStore(database).evaluations()] == [retired.record.id]


async def test_a_cancelled_evaluation_leaves_nothing(desk: Desk, files: DerivationFiles) -> None:
    with anyio.CancelScope() as scope:
        evaluator = ScriptedEvaluator([[files.attribute("a")], scope.cancel, [files.attribute("b")], [ERROR]])
        await desk.evaluate(evaluator)
    assert scope.cancelled_caught
    assert evaluator.running == 0
    assert await desk.store.evaluations() == ()
    assert desk.kept() == set()


async def test_faults_of_the_moment_are_told_and_tried_again(desk: Desk, files: DerivationFiles) -> None:
    evaluator = ScriptedEvaluator([[files.attribute("a"), NO_MEMORY, ERROR]])
    made = await desk.evaluate(evaluator)
    assert made.notes == (
        "The next evaluation of packages tries these again, as their faults may pass: large (out of memory).",
    )
    assert (await desk.store.contents(made.record.id)).faults == (ERROR, NO_MEMORY)
    passed = ScriptedEvaluator([[files.attribute("a"), files.attribute("large"), ERROR]])
    again = await desk.evaluate(passed)
    assert not again.cached
    assert again.notes == ()
    assert passed.yielded == ["large", "broken"]
    contents = await desk.store.contents(again.record.id)
    assert contents.attributes.keys() == {"a", "large"}
    assert contents.faults == (ERROR,)
    assert (await desk.evaluate(passed)).cached


async def test_a_fault_of_the_whole_job_is_not_kept(desk: Desk) -> None:
    whole = AttributeFault(AttrPath(""), FaultKind.ERROR, "error: syntax error")
    made = await desk.evaluate(ScriptedEvaluator([[whole]]))
    assert made.notes == ()
    assert (await desk.store.contents(made.record.id)).faults == (whole,)
    assert await desk.store.find_evaluation(key()) is None


async def test_the_least_recently_used_goes_first(desk: Desk, files: DerivationFiles) -> None:
    evaluator = ScriptedEvaluator([[files.attribute("a")]])
    old = await desk.evaluate(evaluator, key("old"), keep=2)
    await desk.evaluate(evaluator, key("unused"), keep=2)
    assert (await desk.evaluate(evaluator, key("old"), keep=2)).cached
    new = await desk.evaluate(evaluator, key("new"), keep=2)
    assert {use.id for use in await desk.store.evaluations()} == {old.record.id, new.record.id}
    names = {Path(each.record.gc_roots).name for each in (old, new)}
    assert desk.kept() == names | {f"{name}.lock" for name in names}


async def test_what_is_in_use_stays_whatever_the_number(desk: Desk, files: DerivationFiles) -> None:
    evaluator = ScriptedEvaluator([[files.attribute("a"), NO_MEMORY]])
    async with desk.service(evaluator, keep=0) as service:
        held = await service.evaluate(key(), ReviewSide.BASE, request)
        other = await desk.evaluate(evaluator, key("other"), keep=0)
        assert (await desk.store.contents(held.record.id)).attributes
        assert Path(held.record.gc_roots, "root-0").exists()  # noqa: ASYNC240
    last = await desk.evaluate(evaluator, key("last"), keep=0)
    assert {use.id for use in await desk.store.evaluations()} == {last.record.id}
    assert other.record.id != last.record.id


async def test_both_sides_can_be_evaluated_at_once(desk: Desk, files: DerivationFiles) -> None:
    shared = files.add("shared")
    first = ScriptedEvaluator([[files.attribute(f"a{at}", shared)] for at in range(50)])
    second = ScriptedEvaluator([[files.attribute(f"a{at}", shared)] for at in range(25, 75)])
    made: dict[str, Evaluated] = {}

    async def one(name: str, evaluator: ScriptedEvaluator) -> None:
        made[name] = await desk.evaluate(evaluator, key(name))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, "first", first)
        tasks.start_soon(one, "second", second)
    for name, start in (("first", 0), ("second", 25)):
        contents = await desk.store.contents(made[name].record.id)
        assert contents.attributes.keys() == {f"a{at}" for at in range(start, start + 50)}
        assert len(await desk.store.closure([each.derivation for each in contents.attributes.values()])) == 51
