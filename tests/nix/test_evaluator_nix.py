"""The evaluator `nix` keeps the contract."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ekaci_core.api import EvaluationRequest, EvaluatorType, EvaluatorUnavailable
from ekaci_core.builtin.evaluators import NixConfig, NixType
from ekaci_core.model.evaluation import EvaluatedAttribute, UnchangedAttribute
from ekaci_core.model.ids import AttrPath
from ekaci_core.testing.builders import plugin_context
from ekaci_core.testing.evaluator_earlier import UNCHANGED, fingerprints, two_trees
from ekaci_core.testing.evaluator_laboratory import Laboratory
from ekaci_core.testing.evaluators import EvaluatorConformance

pytestmark = pytest.mark.nix


class TestNix(EvaluatorConformance):
    @pytest.fixture
    def kind(self) -> EvaluatorType:
        return NixType()

    @pytest.fixture
    def environment(self, nix_environment: Mapping[str, str]) -> Mapping[str, str]:
        return nix_environment

    async def test_what_is_known_is_not_evaluated(self, lab: Laboratory) -> None:
        known = frozenset({AttrPath("bad"), AttrPath("set.bad")})
        items = await lab.evaluate(
            '{ bad = abort "again"; good = mk "good"; set = recurse { bad = abort "again"; good = mk "set-good"; }; }',
            known=known,
            workers=2,
        )
        assert {attr for attr, item in items.items() if isinstance(item, EvaluatedAttribute)} == {"good", "set.good"}
        assert not items.keys() & known

    async def test_what_is_as_before_is_reported_so(self, lab: Laboratory) -> None:
        first, second = two_trees(lab)
        made = fingerprints(await lab.evaluate(root=first))
        found = await lab.evaluate(root=second, earlier=made, workers=2)
        assert {attr for attr, item in found.items() if isinstance(item, UnchangedAttribute)} == UNCHANGED
        again = await lab.evaluate(root=first, earlier=made)
        assert {attr for attr, item in again.items() if isinstance(item, UnchangedAttribute)} == made.keys()
        whole = {attr for attr, item in again.items() if isinstance(item, EvaluatedAttribute)}
        assert whole == {"named"}, "metadata that names the checkout itself is never compared"


async def opened(environment: Mapping[str, str]) -> str:
    async with NixType().open(NixConfig(), plugin_context(environment)) as evaluator:
        return evaluator.identity


@pytest.mark.anyio
async def test_a_store_that_is_not_there_yet(nix_environment: Mapping[str, str], tmp_path: Path) -> None:
    """Nix makes it when it is first opened, and fails if several processes do that at once."""
    environment = {**nix_environment, "NIX_REMOTE": str(tmp_path / "store")}
    root, roots = tmp_path / "checkout", tmp_path / "roots"
    for folder in (root, roots):
        folder.mkdir()
    (root / "job.nix").write_text('{ a = derivation { name = "a"; system = "x"; builder = "b"; }; }')
    request = EvaluationRequest(root=root, file="job.nix", gc_roots=roots, workers=4)
    async with (
        NixType().open(NixConfig(), plugin_context(environment)) as evaluator,
        evaluator.evaluate(request) as batches,
    ):
        assert [item.attr async for batch in batches for item in batch] == ["a"]


@pytest.mark.anyio
async def test_without_nix(tmp_path: Path) -> None:
    with pytest.raises(EvaluatorUnavailable, match="Nix is not installed"):
        await opened({"PATH": str(tmp_path)})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("says", "expected"), [("nix (Nix) 2.3.16", "too old"), ("what is this", "not a version of Nix")]
)
async def test_a_nix_that_is_of_no_use(tmp_path: Path, says: str, expected: str) -> None:
    for name in ("nix", "nix-store"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(0o755)
    with pytest.raises(EvaluatorUnavailable, match=expected):
        await opened({"PATH": f"{tmp_path}:/usr/bin:/bin"})


@pytest.mark.anyio
async def test_a_store_out_of_reach(nix_environment: Mapping[str, str], tmp_path: Path) -> None:
    with pytest.raises(EvaluatorUnavailable, match="daemon"):
        await opened({**nix_environment, "NIX_REMOTE": f"unix://{tmp_path}/socket"})
