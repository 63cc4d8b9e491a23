"""Two calls at once: which result, which error, and that nothing is left running."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from ekaci_core.model.errors import InfrastructureFault, UsageFault
from ekaci_core.process import together

pytestmark = pytest.mark.anyio


class Meeting:
    """Two who each wait for the other: only calls that run at once get past it."""

    def __init__(self) -> None:
        self._there = [anyio.Event(), anyio.Event()]

    async def come(self, who: int) -> int:
        self._there[who].set()
        await self._there[1 - who].wait()
        return who


async def fail(error: Exception, after: anyio.Event | None = None, told: anyio.Event | None = None) -> int:
    if after is not None:
        await after.wait()
    if told is not None:
        told.set()
    raise error


async def test_both_run_at_once_and_both_results_come() -> None:
    meeting = Meeting()
    with anyio.fail_after(10):
        assert await together(partial(meeting.come, 0), partial(meeting.come, 1)) == (0, 1)


async def test_the_error_of_the_first_counts_though_the_second_was_earlier() -> None:
    second_failed = anyio.Event()
    with pytest.raises(UsageFault, match="first"):
        await together(
            partial(fail, UsageFault("first"), second_failed),
            partial(fail, InfrastructureFault("second"), None, second_failed),
        )


async def test_the_error_of_the_second_comes_as_it_is() -> None:
    with pytest.raises(InfrastructureFault, match="second"):
        await together(partial(anyio.sleep, 0), partial(fail, InfrastructureFault("second")))


async def test_the_second_does_not_go_on_when_the_first_has_failed() -> None:
    ended = anyio.Event()

    async def endless() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    with anyio.fail_after(10), pytest.raises(UsageFault):
        await together(partial(fail, UsageFault("first")), endless)
    assert ended.is_set()
