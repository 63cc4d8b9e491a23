"""The workers of one evaluation, and what their answers mean."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import anyio
import attrs

from ekaci_core.api import EvaluationRequest
from ekaci_core.builtin.evaluators.excerpt_reading import ExcerptReading
from ekaci_core.builtin.evaluators.frontier import Batch, Frontier, Mode
from ekaci_core.builtin.evaluators.items import evaluated, not_a_package, report_of
from ekaci_core.builtin.evaluators.outbox import Outbox
from ekaci_core.builtin.evaluators.verdicts import sentence_of
from ekaci_core.builtin.evaluators.worker import Stopped, Task, Worker
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.evaluation import AttributeFault, EvaluatedItem, FaultKind, NullAttribute
from ekaci_core.model.ids import AttrPath
from ekaci_core.nix.eval_errors import Home, check_machine, read_error, strip_colours
from ekaci_core.nix.excerpts import with_excerpt
from ekaci_core.nix.repl import Done, Record, Stuck

_PIPELINE: Final = 4
_MACHINE: Final = (FaultKind.OUT_OF_MEMORY, FaultKind.EVALUATOR_DIED)
_UNEXPECTED_END: Final = "error: syntax error, unexpected end of file"

# Asking takes a process of its own, each time; files that end too early are rare, and one may be imported everywhere.
_ENDS_LOOKED_UP: Final = 3

StartWorker = Callable[[], AbstractAsyncContextManager[tuple[Worker, int]]]


@attrs.define
class Pool:
    """Runs one evaluation to its end.

    ``always_below`` is the depth above which sets are looked into without asking `recurseForDerivations`.
    """

    request: EvaluationRequest
    frontier: Frontier
    outbox: Outbox
    start: StartWorker
    explain: Callable[[Batch], Awaitable[str]]
    home: Home
    hurry: bool
    always_below: int = 1
    _outstanding: int = 0
    _ends_looked_up: int = 0
    _changed: anyio.Event = attrs.field(factory=anyio.Event)

    async def run(self) -> None:
        """Evaluate everything.

        Raises:
            InfrastructureFault: the machine is at fault.
        """
        async with anyio.create_task_group() as group:
            for number in range(self.request.workers):
                group.start_soon(self._slot, number, name=f"evaluator {number}")

    async def _slot(self, number: int) -> None:
        while await self._work_for():
            async with self.start() as (worker, pid):
                hurry = ExcerptReading(pid) if self.hurry else None
                try:
                    async with anyio.create_task_group() as group:
                        group.start_soon(worker.watch, hurry)
                        await self._drive(number, worker)
                        group.cancel_scope.cancel()
                finally:
                    if hurry is not None:
                        hurry.close()
                await self.outbox.flush()

    async def _work_for(self) -> bool:
        """Wait until there is something to do; False once nothing will come any more."""
        while not self.frontier:
            if not self._outstanding:
                return False
            await self._changed.wait()
        return True

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _drive(self, number: int, worker: Worker) -> None:
        """Give a worker work until there is none, or it has to be replaced."""
        while True:
            await self._fill(number, worker)
            if worker.tasks:
                if not await self._hear(number, worker):
                    await self._bury(number, worker)
                    return
            elif self._must_go(worker) or not await self._work_for():
                return

    def _must_go(self, worker: Worker) -> bool:
        return not worker.fresh and (worker.over_limit or self.frontier.waits_for_fresh)

    async def _fill(self, number: int, worker: Worker) -> None:
        while len(worker.tasks) < _PIPELINE and (worker.fresh or not worker.over_limit):
            if worker.tasks and worker.tasks[0].batch.alone:
                return
            batch = self.frontier.take(number, fresh=worker.fresh)
            if batch is None:
                return
            self._outstanding += 1
            await worker.submit(batch, recurse=len(batch.prefix) + 1 < self.always_below)

    async def _hear(self, number: int, worker: Worker) -> bool:
        """Take in what the worker has reported; False if the process has ended."""
        events = await worker.receive()
        for event in events:
            if isinstance(event, Record):
                self._record(number, worker.tasks[0], event)
            else:
                await self._finished(number, worker.tasks.popleft(), event)
        return bool(events)

    async def _finished(self, number: int, task: Task, event: Done | Stuck) -> None:
        if task.cursor < task.batch.size:
            text = event.text if isinstance(event, Done) else await self._unexpected_end(task)
            self._failed(number, task, text)
        self._outstanding -= 1
        self._tell()

    def _record(self, number: int, task: Task, record: Record) -> None:
        index, kind, text = report_of(record.text)
        if index < task.cursor:
            return  # a batch that got stuck was evaluated again, with the next line as its last argument
        path = task.batch.path(index)
        match kind:
            case "source":
                self.home = Home.of((*self.home.paths, *json.loads(text)), self.home.wrapper)
                return
            case "drv":
                task.drv = text
                return
            case "meta":
                item = evaluated(AttrPath.of(path), task.drv or "", text, self.home, self.request.earlier)
                self._put(item, task.batch)
            case "set":
                [names] = json.loads(text)
                self.frontier.add(path, names, None if task.batch.top else number)
                self._tell()
            case "null":
                self._put(NullAttribute(AttrPath.of(path)), task.batch)
            case "other":
                [type_name] = json.loads(text)
                self._put(not_a_package(AttrPath.of(path), type_name), task.batch)
        task.drv = None
        task.cursor = index + 1

    def _put(self, item: EvaluatedItem, batch: Batch) -> None:
        if batch.mode is not Mode.PROBE:
            self.outbox.put(item)

    async def _unexpected_end(self, task: Task) -> str:
        """Find out what the repl did not say: which file ends too early."""
        self._ends_looked_up += 1
        if self._ends_looked_up > _ENDS_LOOKED_UP:
            return _UNEXPECTED_END
        text = await self.explain(task.batch.only(task.cursor))
        return text if "unexpected end of file" in text else _UNEXPECTED_END

    def _failed(self, number: int, task: Task, text: str) -> None:
        """An error ended a batch: it belongs to the first item without an answer; the rest is done again."""
        batch, at = task.batch, task.cursor
        if task.drv is not None and batch.mode is Mode.FULL:
            self.frontier.again(batch.only(at, mode=Mode.META), number)
        else:
            error = read_error(with_excerpt(strip_colours(text)), self.home)
            attr = AttrPath.of(batch.path(at))
            self._put(AttributeFault(attr, error.kind, error.message, error.position), batch)
        self.frontier.again(batch.after(at + 1), number)

    async def _bury(self, number: int, worker: Worker) -> None:
        """A worker has ended: find out what that means for the item it was at, and put the rest back."""
        status, text = await worker.ended()
        tasks = list(worker.tasks)
        worker.tasks.clear()
        for task in tasks[1:]:
            self.frontier.again(task.batch, number)
        for task in tasks[:1]:
            self._sentence(number, task, worker.stopped, status, text)
        self._outstanding -= len(tasks)
        self._tell()

    def _sentence(self, number: int, task: Task, stopped: Stopped | None, status: int, text: str) -> None:
        batch, at = task.batch, task.cursor
        check_machine(strip_colours(text))
        if at < batch.size:
            found = sentence_of(
                stopped,
                status,
                text,
                alone=batch.alone,
                memory_mib=self.request.memory_mib,
                timeout_seconds=self.request.timeout_seconds,
            )
            if found is None:
                self.frontier.again(batch.only(at, alone=True), None)
            elif batch.top and found[0] in _MACHINE:
                raise InfrastructureFault(
                    f"nothing could be evaluated: {found[1].removeprefix('error: ')}",
                    where=str(self.request.file),
                    do="give the evaluation more memory (`--eval-memory`), or look at what Nix says",
                )
            else:
                self._put(AttributeFault(AttrPath.of(batch.path(at)), *found), batch)
        self.frontier.again(batch.after(at + 1), number)
