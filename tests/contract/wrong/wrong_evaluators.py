"""Evaluators that each break one promise of the contract, over one that keeps all. Not collected by itself.

``tests/nix/test_kits_reject.py`` runs, for each, the one test of the kit that must find it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import attrs
import pytest

from ekaci_core.api import (
    AttributeFault,
    EvaluatedAttribute,
    EvaluatedItem,
    EvaluationRequest,
    Evaluator,
    EvaluatorType,
    FaultKind,
    InfrastructureFault,
    NullAttribute,
    PluginContext,
    System,
)
from ekaci_core.builtin.evaluators import NixConfig, NixType
from ekaci_core.testing.evaluators import EvaluatorConformance

pytestmark = pytest.mark.nix


class Right:
    """Does all as it should."""

    found_by: ClassVar[str] = ""

    def __init__(self, inner: Evaluator) -> None:
        self.inner = inner

    @property
    def identity(self) -> str:
        return self.inner.identity

    def asked(self, request: EvaluationRequest) -> EvaluationRequest:
        return request

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        return (item,)

    @asynccontextmanager
    async def evaluate(self, request: EvaluationRequest) -> AsyncIterator[AsyncIterator[Sequence[EvaluatedItem]]]:
        async with self.inner.evaluate(self.asked(request)) as batches:
            yield ([told for item in batch for told in self.told(item)] async for batch in batches)


class WithoutIdentity(Right):
    found_by = "test_identity_names_it"
    identity = ""


class InventsDerivations(Right):
    found_by = "test_derivations_are_those_of_nix"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        if isinstance(item, EvaluatedAttribute):
            return (attrs.evolve(item, system=System("i686-linux")),)
        return (item,)


class SaysThingsTwice(Right):
    found_by = "test_derivations_are_those_of_nix"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        return (item, item)


class LooksAtTheTopAlone(Right):
    found_by = "test_sets_are_looked_into_where_they_say_so"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        return () if "." in (item.attr or "") else (item,)


class DropsNull(Right):
    found_by = "test_null_is_an_item_of_its_own"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        return () if isinstance(item, NullAttribute) else (item,)


class DropsMeta(Right):
    found_by = "test_meta"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        return (attrs.evolve(item, meta={}),) if isinstance(item, EvaluatedAttribute) else (item,)


class HidesFaults(Right):
    found_by = "test_a_fault_costs_its_attribute_alone"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        return () if isinstance(item, AttributeFault) else (item,)


class EndsAtTheFirstFault(Right):
    found_by = "test_a_fault_costs_its_attribute_alone"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        if isinstance(item, AttributeFault):
            raise InfrastructureFault(item.message, where="the evaluator")
        return (item,)


class KnowsOneKindOfFault(Right):
    found_by = "test_an_overflown_stack"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        return (attrs.evolve(item, kind=FaultKind.ERROR),) if isinstance(item, AttributeFault) else (item,)


class ForgetsThePlace(Right):
    found_by = "test_a_fault_has_a_place_in_the_checkout"

    def told(self, item: EvaluatedItem) -> Sequence[EvaluatedItem]:
        return (attrs.evolve(item, position=None),) if isinstance(item, AttributeFault) else (item,)


class RootsElsewhere(Right):
    found_by = "test_derivations_have_gc_roots_before_they_are_told"

    def asked(self, request: EvaluationRequest) -> EvaluationRequest:
        elsewhere = request.gc_roots.with_name(f"{request.gc_roots.name}-elsewhere")
        elsewhere.mkdir()
        return attrs.evolve(request, gc_roots=elsewhere)


class IgnoresGlobs(Right):
    found_by = "test_globs"

    def asked(self, request: EvaluationRequest) -> EvaluationRequest:
        return attrs.evolve(request, attr_globs=())


class IgnoresTheWay(Right):
    found_by = "test_a_directory_and_a_way_into_it"

    def asked(self, request: EvaluationRequest) -> EvaluationRequest:
        return attrs.evolve(request, attr_path=None)


class IgnoresTheNixPath(Right):
    found_by = "test_the_nix_path"

    def asked(self, request: EvaluationRequest) -> EvaluationRequest:
        return attrs.evolve(request, nix_path=())


class TrustsEverybody(Right):
    found_by = "test_a_confined_evaluation_reads_its_own_tree_alone"

    def asked(self, request: EvaluationRequest) -> EvaluationRequest:
        return attrs.evolve(request, confined=False)


class BuildsForNobody(Right):
    found_by = "test_a_confined_evaluation_that_may_build_reads_its_own_tree_alone"

    def asked(self, request: EvaluationRequest) -> EvaluationRequest:
        return attrs.evolve(request, builds=False)


class BuildsForEverybody(Right):
    found_by = "test_a_confined_evaluation_builds_nothing"

    def asked(self, request: EvaluationRequest) -> EvaluationRequest:
        return attrs.evolve(request, builds=True)


WRONG = list(Right.__subclasses__())


@attrs.frozen
class WrongType:
    """Opens one of them."""

    kind: type[Right]
    name: str = "wrong"
    config: type[NixConfig] = NixConfig

    @asynccontextmanager
    async def open(self, config: NixConfig, context: PluginContext) -> AsyncIterator[Evaluator]:
        async with NixType().open(config, context) as inner:
            yield self.kind(inner)


@pytest.mark.parametrize("wrong", [Right, *WRONG], ids=lambda wrong: wrong.__name__)
class TestWrongEvaluators(EvaluatorConformance):
    @pytest.fixture
    def kind(self, wrong: type[Right]) -> EvaluatorType:
        return WrongType(wrong)

    @pytest.fixture
    def environment(self, nix_environment: Mapping[str, str]) -> Mapping[str, str]:
        return nix_environment
