from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ekaci_core.store import Store, open_store
from ekaci_core.testing.builds import ScriptedNix


@pytest.fixture
def nix() -> ScriptedNix:
    return ScriptedNix()


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as store:
        yield store
