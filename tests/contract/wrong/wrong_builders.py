"""Builders that each break one promise of the contract, over one that keeps all. Not collected by itself.

``tests/nix/test_kits_reject.py`` runs, for each, the one test of the kit that must find it.
"""

# ruff: noqa: ARG002 - most look at a part of what they are told

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    BuildState,
    Built,
    InLocalStore,
    StorePath,
    System,
)
from ekaci_core.builtin.local_builder import LocalBuilder, LocalBuilderConfig, LocalBuilderType
from ekaci_core.testing.builders import BuilderConformance, plugin_context

pytestmark = pytest.mark.nix


class Right(InLocalStore):
    """Does all as it should."""

    found_by: ClassVar[str] = ""

    def __init__(self, inner: LocalBuilder) -> None:
        self.inner = inner
        self.name = inner.name
        self.slots = inner.slots
        self.systems: frozenset[System] = inner.systems
        self.features = inner.features

    def asked(self, request: BuildRequest) -> BuildRequest:
        return request

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        del log
        return outcome

    async def build(self, request: BuildRequest) -> BuildOutcome:
        return self.told(await self.inner.build(self.asked(request)), request.log)


class Nameless(Right):
    found_by = "test_says_what_it_is"

    def __init__(self, inner: LocalBuilder) -> None:
        super().__init__(inner)
        self.name = ""


class OfAnotherPlatform(Right):
    found_by = "test_says_what_it_is"

    def __init__(self, inner: LocalBuilder) -> None:
        super().__init__(inner)
        self.systems = frozenset({System("pdp11-unix")})


class TakesFailuresForSuccesses(Right):
    found_by = "test_failure_tells_the_exit_code"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        return Built()


class ForgetsTheExitStatus(Right):
    found_by = "test_failure_tells_the_exit_code"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        return attrs.evolve(outcome, exit_status=None) if isinstance(outcome, BuildFailed) else outcome


class RaisesForFailures(Right):
    found_by = "test_a_builder_that_does_not_exist_is_a_failure"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        if isinstance(outcome, BuildFailed):
            raise RuntimeError(outcome.reason)  # noqa: TRY004 - no type is wrong
        return outcome


class BelievesWithoutLooking(Right):
    found_by = "test_a_missing_output_is_a_failure"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        return Built() if isinstance(outcome, BuildFailed) and not outcome.exit_status else outcome


class DropsTheLog(Right):
    found_by = "test_every_line_reaches_the_log"

    def asked(self, request: BuildRequest) -> BuildRequest:
        return attrs.evolve(request, log=Path("/dev/null"))


class KeepsTheLastLineBack(Right):
    found_by = "test_every_line_reaches_the_log"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[:-1]))
        return outcome


class TellsNoPhases(Right):
    found_by = "test_phases_are_told_in_order"

    def asked(self, request: BuildRequest) -> BuildRequest:
        return attrs.evolve(request, on_phase=None)


class LeavesOutputsToTheCollector(Right):
    found_by = "test_outputs_get_gc_roots"

    def asked(self, request: BuildRequest) -> BuildRequest:
        return attrs.evolve(request, gc_root=None)


class TakesSilenceForFailure(Right):
    found_by = "test_silence_ends_the_attempt"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        if isinstance(outcome, BuildInterrupted) and outcome.kind is BuildState.TIMEOUT:
            return BuildFailed(outcome.reason)
        return outcome


class TriesWrongHashesAgain(Right):
    found_by = "test_a_wrong_hash_is_final_and_names_both"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        return attrs.evolve(outcome, final=False) if isinstance(outcome, BuildFailed) else outcome


class BlamesBuildsForTheMachine(Right):
    found_by = "test_a_vanished_derivation_is_no_failure"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        return BuildFailed(outcome.reason) if isinstance(outcome, BuildInterrupted) else outcome


class BelievesWhatABuildSaysOfTheMachine(Right):
    found_by = "test_a_build_cannot_blame_the_machine"

    def told(self, outcome: BuildOutcome, log: Path) -> BuildOutcome:
        if "No space left" in log.read_text(errors="replace"):
            return BuildInterrupted(BuildState.PROCESS_DEATH, "the disk is full", infrastructure=True)
        return outcome


class BuildsOnce(Right):
    found_by = "test_building_again_is_fine"

    def __init__(self, inner: LocalBuilder) -> None:
        super().__init__(inner)
        self.used = False

    async def build(self, request: BuildRequest) -> BuildOutcome:
        if self.used:
            return BuildFailed("it is there already")
        self.used = True
        return await super().build(request)


class KnowsOfNoInputs(Right):
    found_by = "test_an_input_that_was_built_is_brought_there"

    def present(self, paths: Collection[StorePath]) -> int:
        return 0 * len(paths)


WRONG = list(Right.__subclasses__())


@pytest.mark.parametrize("kind", [Right, *WRONG], ids=lambda kind: kind.__name__)
class TestWrongBuilders(BuilderConformance):
    @pytest.fixture
    async def builder(self, kind: type[Right], store_environment: Mapping[str, str]) -> AsyncIterator[Any]:
        async with LocalBuilderType().open(LocalBuilderConfig(), plugin_context(store_environment)) as inner:
            yield kind(inner)

    @pytest.fixture
    def store_environment(self, nix_environment: Mapping[str, str]) -> Mapping[str, str]:
        return nix_environment
