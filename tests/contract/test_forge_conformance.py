"""The kit for forges accepts one that keeps the contract, and rejects each that breaks a promise."""

from __future__ import annotations

import pytest
from tests.contract.forges.memory_forge import MemoryForge
from tests.contract.forges.memory_laboratory import MemoryLaboratory

from ekaci_core.testing.forge_laboratory import ForgeLaboratory, RecordingLogger
from ekaci_core.testing.forges import ForgeConformance


class TestMemoryForge(ForgeConformance):
    fetches_by_git = False

    @pytest.fixture
    async def laboratory(self, forge_log: RecordingLogger) -> ForgeLaboratory:
        return MemoryLaboratory(MemoryForge, forge_log)
