"""Evaluations of which an earlier one knows a part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.api import EvaluationRequest, InfrastructureFault
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation import Evaluated, Evaluations
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluationKey, FaultKind, UnchangedAttribute
from ekaci_core.model.event import EvaluationProgress, ReviewEvent, ReviewSide
from ekaci_core.model.ids import AttrPath, DrvPath
from ekaci_core.nix.records import read_unknown
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import EvaluationRecord
from ekaci_core.testing.facts import key
from ekaci_core.testing.scripted import DerivationFiles, ScriptedEvaluator, Step, SteppingClock

pytestmark = pytest.mark.anyio

BASE, HEAD = key(tree="a" * 40), key(tree="b" * 40)
ERROR = AttributeFault(AttrPath("broken"), FaultKind.ERROR, "error: no")


@attrs.define
class Desk:
    """The service under test, and what it read of the Nix store."""

    store: Store
    roots: Path
    files: DerivationFiles
    events: Broadcast[ReviewEvent] = attrs.field(factory=Broadcast)
    clock: SteppingClock = attrs.field(factory=SteppingClock)
    read: list[DrvPath] = attrs.field(factory=list)
    asked: list[DrvPath] = attrs.field(factory=list)

    def service(self, evaluator: ScriptedEvaluator) -> Evaluations:
        return Evaluations(self.store, evaluator, self.clock, self.roots, self.events, read=self._read)

    def _read(
        self, paths: Collection[DrvPath], known_among: Callable[[Collection[DrvPath]], Collection[DrvPath]]
    ) -> Sequence[DerivationRecord]:
        self.asked.extend(paths)
        records = read_unknown(paths, known_among)
        self.read.extend(record.path for record in records)
        return records

    def attribute(self, name: str, *inputs: DrvPath) -> EvaluatedAttribute:
        made = self.files.attribute(name, *inputs)
        return attrs.evolve(made, fingerprint=name.encode(), meta={"description": name})

    async def base(self, *items: EvaluatedAttribute, of: EvaluationKey = BASE) -> EvaluationRecord:
        async with self.service(ScriptedEvaluator([items])) as service:
            return (await service.make(of, ReviewSide.BASE, request)).record

    async def head(
        self, earlier: EvaluationRecord | None, *script: Step, of: EvaluationKey = HEAD
    ) -> tuple[ScriptedEvaluator, Evaluated]:
        evaluator = ScriptedEvaluator(script)
        async with self.service(evaluator) as service:
            return evaluator, await service.make(of, ReviewSide.HEAD, request, earlier=earlier)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_store(None) as store:
        yield Desk(store, tmp_path / "roots", DerivationFiles(tmp_path / "store"))


async def request(gc_roots: Path) -> EvaluationRequest:
    return EvaluationRequest(root=gc_roots.parent, file="default.nix", gc_roots=gc_roots)


def as_before(item: EvaluatedAttribute) -> UnchangedAttribute:
    return UnchangedAttribute(item.attr, item.drv)


async def test_what_is_unchanged_is_stored_without_reading_it(desk: Desk) -> None:
    a, b = desk.attribute("a"), desk.attribute("b")
    base = await desk.base(a, b)
    desk.read.clear()
    desk.asked.clear()
    c = desk.attribute("c", a.drv)
    evaluator, made = await desk.head(base, [as_before(a), c], [as_before(b), ERROR])
    assert evaluator.requests[0].earlier == {"a": b"a", "b": b"b"}
    assert (desk.asked, desk.read) == ([c.drv], [c.drv])
    before, after = await desk.store.contents(base.id), await desk.store.contents(made.record.id)
    assert {attr: each for attr, each in after.attributes.items() if attr != "c"} == before.attributes
    assert after.attributes.keys() == {"a", "b", "c"}
    assert after.faults == (ERROR,)
    assert await desk.store.find_evaluation(HEAD) == made.record


async def test_the_result_serves_for_the_next_one(desk: Desk) -> None:
    a = desk.attribute("a")
    _, second = await desk.head(await desk.base(a), [as_before(a), desk.attribute("b")])
    third, made = await desk.head(second.record, [as_before(a)], of=key(tree="c" * 40))
    assert third.requests[0].earlier == {"a": b"a", "b": b"b"}
    assert (await desk.store.contents(made.record.id)).attributes.keys() == {"a"}


async def test_unchanged_attributes_are_counted(desk: Desk) -> None:
    a = desk.attribute("a")
    base = await desk.base(a)
    with desk.events.listening() as listener:
        await desk.head(base, [as_before(a)], [desk.attribute("b")])
        desk.events.close()
        told = [event async for event in listener if isinstance(event, EvaluationProgress)]
    assert told[-1] == EvaluationProgress(ReviewSide.HEAD, "packages", 2, 0, 1)


@pytest.mark.parametrize("field", ["evaluator", "options"])
async def test_only_what_was_made_in_the_same_way_is_compared(desk: Desk, field: str) -> None:
    a = desk.attribute("a")
    base = await desk.base(a, of=EvaluationKey(**{**attrs.asdict(BASE), field: "other"}))
    evaluator, _ = await desk.head(base, [a])
    assert evaluator.requests[0].earlier == {}
    with pytest.raises(InfrastructureFault):
        await desk.head(base, [as_before(a)])


async def test_without_an_earlier_one_nothing_is_compared(desk: Desk) -> None:
    a = desk.attribute("a")
    await desk.base(a)
    evaluator, _ = await desk.head(None, [a])
    assert evaluator.requests[0].earlier == {}


async def test_an_earlier_one_that_is_gone_is_a_fault_and_loses_nothing(desk: Desk) -> None:
    a, b = desk.attribute("a"), desk.attribute("b")
    base = await desk.base(a, b)

    async def drop() -> None:
        await desk.store.drop_evaluations([base.id])

    with pytest.raises(InfrastructureFault, match="no longer what it was") as raised:
        await desk.head(base, drop, [as_before(a), as_before(b)])
    assert raised.value.do
    _, made = await desk.head(None, [a, b])
    assert (await desk.store.contents(made.record.id)).attributes.keys() == {"a", "b"}


async def test_what_was_interrupted_is_continued_with_what_was_unchanged(desk: Desk) -> None:
    a, b, c = (desk.attribute(name) for name in "abc")
    base = await desk.base(a, b)
    fault = InfrastructureFault("no space", where="/", do="Make room.")

    async def stored() -> None:
        [use] = [each for each in await desk.store.evaluations() if each.id != base.id]
        while not (await desk.store.contents(use.id)).attributes:  # noqa: ASYNC110 - the store has no events
            await anyio.sleep(0.01)

    with pytest.raises(InfrastructureFault, match="no space"):
        await desk.head(base, [as_before(a)], stored, fault)
    evaluator, made = await desk.head(base, [as_before(a), as_before(b), c])
    assert evaluator.requests[0].known == {"a"}
    assert evaluator.requests[0].earlier == {"a": b"a", "b": b"b"}
    found = await desk.store.contents(made.record.id)
    assert found.attributes.keys() == {"a", "b", "c"}
    assert found.attributes[a.attr] == (await desk.store.contents(base.id)).attributes[a.attr]
