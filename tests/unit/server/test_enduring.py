"""Loops that outlive faults of the machine."""

from __future__ import annotations

import anyio
import pytest

from ekaci_core.api import InfrastructureFault
from ekaci_core.server.enduring import enduring
from ekaci_core.testing.builders import SilentLogger

pytestmark = pytest.mark.anyio


async def test_a_loop_begins_again_after_a_full_disk() -> None:
    faults: list[BaseException] = [
        InfrastructureFault("no space is left"),
        ExceptionGroup("of a task group", [InfrastructureFault("no space is left"), InfrastructureFault("again")]),
    ]

    async def run() -> None:
        if faults:
            raise faults.pop()

    with anyio.fail_after(20):
        await enduring("reviews", run, SilentLogger(), first_seconds=0.001)
    assert not faults


async def test_a_defect_ends_it() -> None:
    async def run() -> None:
        raise ExceptionGroup("both", [InfrastructureFault("no space is left"), ZeroDivisionError()])

    with pytest.raises(ExceptionGroup):
        await enduring("reviews", run, SilentLogger())
