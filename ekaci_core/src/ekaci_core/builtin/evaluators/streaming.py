"""From a function that sends items to the iterator that an evaluator returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio

from ekaci_core.builtin.evaluators.outbox import ItemSink
from ekaci_core.model.errors import EkaciError
from ekaci_core.model.evaluation import EvaluatedItem

_WAITING_BATCHES: Final = 8


@asynccontextmanager
async def streamed(
    work: Callable[[ItemSink], Awaitable[None]],
) -> AsyncIterator[AsyncIterator[Sequence[EvaluatedItem]]]:
    """Run ``work`` while the context is open and iterate over what it sends; its errors come from the iterator."""
    send, receive = anyio.create_memory_object_stream[Sequence[EvaluatedItem]](_WAITING_BATCHES)
    fault: EkaciError | None = None

    async def produce() -> None:
        nonlocal fault
        with send:
            try:
                await work(send)
            except* EkaciError as group:
                fault = _first(group)

    async def items() -> AsyncIterator[Sequence[EvaluatedItem]]:
        async for batch in receive:
            yield batch
        if fault is not None:
            raise fault

    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(produce, name="evaluation")
        with receive:
            try:
                yield items()
            except Exception as raised:  # noqa: BLE001 - carried around the task group, which would wrap it
                failure = raised
            finally:
                group.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _first(group: BaseExceptionGroup[EkaciError]) -> EkaciError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, EkaciError)  # noqa: S101 - `except*` chose them
    return error
