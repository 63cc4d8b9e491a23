"""Derivations that no Nix would write, reported by an evaluator that went wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ekaci_core.api import EvaluationRequest, InfrastructureFault
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation import Evaluated, Evaluations
from ekaci_core.model.event import ReviewSide
from ekaci_core.nix.aterm import MalformedDerivation
from ekaci_core.store import Store, open_store
from ekaci_core.testing.facts import key
from ekaci_core.testing.scripted import DerivationFiles, ScriptedEvaluator, SteppingClock

pytestmark = pytest.mark.anyio

MANY = 20_000


@pytest.fixture
def files(tmp_path: Path) -> DerivationFiles:
    return DerivationFiles(tmp_path / "store")


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as store:
        yield store


async def evaluate(store: Store, evaluator: ScriptedEvaluator, roots: Path) -> Evaluated:
    async def request(gc_roots: Path) -> EvaluationRequest:
        return EvaluationRequest(root=gc_roots.parent, file="default.nix", gc_roots=gc_roots)

    async with Evaluations(store, evaluator, SteppingClock(), roots, Broadcast(), keep=20) as service:
        return await service.evaluate(key(), ReviewSide.HEAD, request)


@pytest.mark.parametrize("length", [1, 2, 100])
async def test_a_cycle_is_one_fault_and_leaves_nothing(
    store: Store, files: DerivationFiles, tmp_path: Path, length: int
) -> None:
    names = [f"round{number}" for number in range(length)]
    following = files.add(names[0])  # the name alone makes the path
    for name in reversed(names):
        following = files.add(name, following)
    attributes = [[files.attribute("sound")], [files.attribute("top", following), files.attribute("apart")]]
    with pytest.raises(InfrastructureFault) as raised:
        await evaluate(store, ScriptedEvaluator(attributes), tmp_path / "roots")
    assert isinstance(raised.value, MalformedDerivation)
    assert "it needs itself" in str(raised.value)
    assert await store.known_derivations([following]) == frozenset()
    sound = [files.attribute("sound"), files.attribute("apart")]
    await evaluate(store, ScriptedEvaluator([sound]), tmp_path / "roots")
    assert await store.known_derivations([each.drv for each in sound]) == {each.drv for each in sound}


async def test_a_derivation_of_very_many_inputs_is_stored(store: Store, files: DerivationFiles, tmp_path: Path) -> None:
    inputs = [files.add(f"n{number}") for number in range(MANY)]
    top = files.attribute("top", *inputs)
    await evaluate(store, ScriptedEvaluator([[top]]), tmp_path / "roots")
    number = (await store.derivation_ids([top.drv]))[top.drv]
    record = (await store.derivations([number]))[number]
    assert set(record.inputs) == set(inputs)
