"""What a plugin raises against its contract ends nothing, and shows no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ekaci_core.api import InfrastructureFault, Secret
from ekaci_core.registry.guard import Surprise, Translating, attempt, guarded
from ekaci_core.telemetry import REDACTOR

if TYPE_CHECKING:
    from tests.unit.registry.conftest import RecordingLog

pytestmark = pytest.mark.anyio

CANARY = "canary-that-a-plugin-holds"


@pytest.fixture(autouse=True)
def _known() -> None:
    REDACTOR.learn("test of the guard", [Secret(CANARY)])


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, KeyError])
async def test_a_surprise_is_masked_wherever_it_goes(kind: type[BaseException], log: RecordingLog) -> None:
    def leak() -> None:
        raise kind(f"with {CANARY}")

    async def leaking() -> Surprise:
        leak()
        raise AssertionError

    found = await guarded(leaking, lambda surprise: surprise, who="plugin", log=log)
    with pytest.raises(InfrastructureFault) as raised, Translating("plugin", log):
        leak()
    alone = attempt(leak)
    assert isinstance(alone, Surprise)
    for said in (found.message, str(raised.value), alone.message):
        assert kind.__name__ in said
        assert "[REDACTED]" in said
        assert CANARY not in said
    assert CANARY not in str(log)
