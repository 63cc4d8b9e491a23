"""Both sides of a review: what is looked up, what is made, and what the one knows of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from ekaci_core.bus import Broadcast
from ekaci_core.changes import JobContents
from ekaci_core.evaluation import Evaluations
from ekaci_core.model.evaluation import EvaluatedAttribute, UnchangedAttribute
from ekaci_core.model.event import EvaluationFinished, ReviewEvent
from ekaci_core.model.ids import System
from ekaci_core.nix.settings import NixSettings
from ekaci_core.server.checkouts import CheckoutFolders, Checkouts
from ekaci_core.server.evaluating import SideEvaluations
from ekaci_core.server.inputs import read_inputs
from ekaci_core.server.options import ReviewOptions
from ekaci_core.store import Store, open_store
from ekaci_core.testing.scripted import DerivationFiles, ScriptedEvaluator, SteppingClock

pytestmark = pytest.mark.anyio


@attrs.define
class Desk:
    """A repository of two commits, and what its reviews share."""

    top: Path
    folder: Path
    store: Store
    files: DerivationFiles
    events: Broadcast[ReviewEvent] = attrs.field(factory=Broadcast)
    clock: SteppingClock = attrs.field(factory=SteppingClock)
    written: list[Path] = attrs.field(factory=list)

    def attribute(self, name: str) -> EvaluatedAttribute:
        return attrs.evolve(self.files.attribute(name), fingerprint=name.encode())

    @asynccontextmanager
    async def sides(self, evaluator: ScriptedEvaluator, **more: Any) -> AsyncIterator[SideEvaluations]:
        options = ReviewOptions(self.top, **{"base": "HEAD~1", "head": "HEAD", "file": "file", **more})
        inputs = await read_inputs(options)
        folders = CheckoutFolders(self.folder / "checkouts", None)
        async with (
            Evaluations(self.store, evaluator, self.clock, self.folder / "roots", self.events) as evaluations,
            Checkouts.opened(inputs, folders) as checkouts,
        ):
            yield SideEvaluations(
                inputs,
                options,
                store=self.store,
                evaluator=evaluator,
                evaluations=evaluations,
                checkouts=checkouts,
                settings=NixSettings(System("x86_64-linux")),
                environment={},
            )
            self.written = list((self.folder / "checkouts").glob("*/source/*"))

    async def review(self, evaluator: ScriptedEvaluator, **more: Any) -> JobContents:
        async with self.sides(evaluator, **more) as sides:
            [contents] = await sides.all()
        return contents


@pytest.fixture
async def desk(bench: Any, tmp_path: Path) -> AsyncIterator[Desk]:
    bench.commit("file", "second\n")
    async with open_store(None) as store:
        yield Desk(bench.top, tmp_path, store, DerivationFiles(tmp_path / "store"))


async def test_the_known_side_is_what_the_other_is_compared_with(desk: Desk) -> None:
    a, b = desk.attribute("a"), desk.attribute("b")
    await desk.review(ScriptedEvaluator([[a]]), head="HEAD~1")
    head = ScriptedEvaluator([[UnchangedAttribute(a.attr, a.drv), b]])
    contents = await desk.review(head)
    assert [request.earlier for request in head.requests] == [{"a": b"a"}]
    assert contents.base is not None
    assert contents.head is not None
    assert contents.base.attributes.keys() == {"a"}
    assert contents.head.attributes.keys() == {"a", "b"}
    assert contents.head.attributes[a.attr] == contents.base.attributes[a.attr]
    assert len(desk.written) == 1, "the known side needs no files"


async def test_a_known_head_serves_a_base_that_is_not(desk: Desk) -> None:
    a = desk.attribute("a")
    await desk.review(ScriptedEvaluator([[a]]), base="HEAD")
    base = ScriptedEvaluator([[UnchangedAttribute(a.attr, a.drv)]])
    contents = await desk.review(base)
    assert [request.earlier for request in base.requests] == [{"a": b"a"}]
    assert contents.base is not None
    assert contents.base.attributes.keys() == {"a"}


async def test_with_nothing_known_both_are_made(desk: Desk) -> None:
    evaluator = ScriptedEvaluator([[desk.attribute("a")]])
    await desk.review(evaluator)
    assert [request.earlier for request in evaluator.requests] == [{}, {}]
    assert len(desk.written) == 2
    await desk.review(evaluator)
    assert len(evaluator.requests) == 2
    assert desk.written == []


async def test_made_afresh_nothing_is_compared(desk: Desk) -> None:
    evaluator = ScriptedEvaluator([[desk.attribute("a")]])
    await desk.review(evaluator)
    await desk.review(evaluator, fresh=True)
    assert [request.earlier for request in evaluator.requests] == [{}] * 4


async def test_a_known_side_that_vanished_is_made_and_not_compared_with(desk: Desk) -> None:
    a = desk.attribute("a")
    await desk.review(ScriptedEvaluator([[a]]), head="HEAD~1")
    await anyio.Path(a.drv).unlink()
    evaluator = ScriptedEvaluator([lambda: desk.files.add("a"), [a]])
    async with desk.sides(evaluator) as sides:
        await sides.all()
    assert [request.earlier for request in evaluator.requests] == [{}, {}]
    assert [note for note in sides.notes if "vanished" in note]


async def test_what_is_known_is_looked_up_before_anything_is_evaluated(desk: Desk) -> None:
    a = desk.attribute("a")
    await desk.review(ScriptedEvaluator([[a]]), head="HEAD~1")
    told: list[EvaluationFinished] = []
    with desk.events.listening() as listener:

        async def looking_up() -> None:
            async for event in listener:
                if isinstance(event, EvaluationFinished):
                    told.append(event)
                    return

        with anyio.fail_after(20):
            await desk.review(ScriptedEvaluator([looking_up, [a]]))
    assert [event.cached for event in told] == [True]
