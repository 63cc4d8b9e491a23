"""The evaluator `nix` keeps the contract."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ekaci_core.api import EvaluatorType
from ekaci_core.builtin.evaluators import NixType
from ekaci_core.testing.evaluators import EvaluatorConformance

pytestmark = pytest.mark.nix


class TestNix(EvaluatorConformance):
    @pytest.fixture
    def kind(self) -> EvaluatorType:
        return NixType()

    @pytest.fixture
    def environment(self, nix_environment: Mapping[str, str]) -> Mapping[str, str]:
        return nix_environment
