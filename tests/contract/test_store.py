"""The store's contract over a file and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ekaci_core.store import Store, open_store
from ekaci_core.testing.store import StoreConformance

pytestmark = pytest.mark.anyio


class TestFileStore(StoreConformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        async with open_store(tmp_path / "made" / "here" / "facts.db") as store:
            yield store


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with open_store(None) as store:
            yield store
