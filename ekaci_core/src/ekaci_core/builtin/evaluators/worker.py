"""One worker: a ``nix repl`` that has the job loaded, what it is doing, and a watch over it."""

from __future__ import annotations

import enum
import json
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

import anyio
import attrs

from ekaci_core.api import EvaluationRequest
from ekaci_core.builtin.evaluators.excerpt_reading import ExcerptReading
from ekaci_core.builtin.evaluators.frontier import Batch
from ekaci_core.builtin.evaluators.memory import resident_mib
from ekaci_core.model.evaluation import META_KEYS
from ekaci_core.model.ids import AttrPath
from ekaci_core.nix.repl import ReplEvent, nix_json, nix_string
from ekaci_core.nix.repl_process import Repl, repl
from ekaci_core.process import run

EXPRESSION: Final = Path(__file__).with_name("worker.nix")
_EXPLAIN_SECONDS: Final = 300
_LOOK_SECONDS: Final = 0.05
_LOOK_OFTEN_SECONDS: Final = 0.005
# Between two batches a worker may be over its limit by this much before it is stopped within one.
_TOLERANCE: Final = 1.25


class Stopped(enum.Enum):
    """Why we stopped a worker."""

    MEMORY = "memory"
    TIMEOUT = "timeout"


@attrs.define
class Task:
    """A batch that a worker has been sent.

    ``cursor`` counts the items that are done; ``drv`` is what was said of the next one's derivation.
    """

    number: int
    batch: Batch
    cursor: int = 0
    drv: str | None = None


class Queries:
    """Files that hold the long part of commands."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.beginning = f"{folder}/"

    def write(self, batch: Batch, number: int, *, recurse: bool) -> None:
        """Write the query of a command."""
        query = {
            "id": number,
            "prefix": batch.prefix,
            "names": batch.names,
            "mode": batch.mode.value,
            "recurse": recurse or batch.top,
        }
        Path(f"{self.beginning}{number}.json").write_text(json.dumps(query))


class Worker:
    """Evaluates batches in the order in which they were submitted."""

    def __init__(self, process: Repl, request: EvaluationRequest, queries: Queries) -> None:
        self.tasks: deque[Task] = deque()
        self.submitted = 0
        self.over_limit = False
        self.stopped: Stopped | None = None
        self._process = process
        self._queries = queries
        self._request = request
        self._since = time.monotonic()
        self._memory_read = 0.0

    @property
    def fresh(self) -> bool:
        """Whether it has not been given anything yet."""
        return self.submitted == 0

    async def submit(self, batch: Batch, *, recurse: bool) -> None:
        """Send a batch; its answers come after those of earlier ones."""
        if not self.tasks:
            self._since = time.monotonic()
        self.submitted += 1
        self.tasks.append(Task(self.submitted, batch))
        self._queries.write(batch, self.submitted, recurse=recurse)
        await self._process.send(self.submitted, f"{_verb(batch)} {self.submitted}")

    async def receive(self) -> list[ReplEvent]:
        """Wait for the next events, first those of the first task; none when the process has ended."""
        events = await self._process.receive()
        self._since = time.monotonic()
        return events

    async def ended(self) -> tuple[int, str]:
        """How it ended: status and last words."""
        return await self._process.ended()

    async def watch(self, hurry: ExcerptReading | None) -> None:
        """Look after time and memory until cancelled."""
        pause = _LOOK_SECONDS if hurry is None else _LOOK_OFTEN_SECONDS
        while self.stopped is None:
            await anyio.sleep(pause)
            now = time.monotonic()
            if now - self._memory_read >= _LOOK_SECONDS:
                self._memory_read = now
                await self._look_at_memory()
            if not self.tasks:
                continue
            quiet = now - self._since
            if self._request.timeout_seconds is not None and quiet > self._request.timeout_seconds:
                self._stop(Stopped.TIMEOUT)
            elif hurry is not None and quiet > _LOOK_OFTEN_SECONDS:
                hurry.hurry()

    async def _look_at_memory(self) -> None:
        resident = await resident_mib(self._process.pid)
        limit = self._request.memory_mib
        self.over_limit = resident > limit
        alone = bool(self.tasks) and self.tasks[0].batch.alone
        if self.tasks and resident > limit * (1.0 if alone else _TOLERANCE):
            self._stop(Stopped.MEMORY)

    def _stop(self, reason: Stopped) -> None:
        self.stopped = reason
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # it ended by itself at this moment; the reason stands, for want of a better one


async def explain(request: EvaluationRequest, environment: Mapping[str, str], scratch: Path, batch: Batch) -> str:
    """Evaluate a batch in a process that only does that, and return what it printed; files go below ``scratch``.

    Raises:
        InfrastructureFault: it could not be started, or takes minutes.
    """
    with tempfile.TemporaryDirectory(prefix="ekaci-explain-", dir=scratch) as folder:
        queries = Queries(Path(folder))
        queries.write(batch, 0, recurse=False)
        settings = nix_json(job_settings(request, mark="", queries=queries.beginning))
        expression = f"(import {nix_string(str(EXPRESSION))} {settings}).{_verb(batch)} 0"
        argv = ["nix-instantiate", "--eval", "--expr", expression]
        return (await run(argv, env=environment, cwd=request.root, timeout_seconds=_EXPLAIN_SECONDS)).stderr


def _verb(batch: Batch) -> str:
    return "top" if batch.top else "run"


def job_settings(request: EvaluationRequest, *, mark: str, queries: str) -> dict[str, Any]:
    """Return the settings of worker.nix for a job."""
    return {
        "mark": mark,
        "file": str(request.root / request.file.lstrip("/")),
        "flake": flake_reference(request),
        "attrPath": AttrPath(request.attr_path or "").parts,
        "system": request.system,
        "metaKeys": META_KEYS,
        "queries": queries,
    }


def flake_reference(request: EvaluationRequest) -> str | None:
    """Return how Nix is told to read the flake; None for a plain expression.

    A git checkout is read through git, so that only its tracked files count, whatever else lies about.
    """
    if not request.flake:
        return None
    folder = str(PurePosixPath(request.file.lstrip("/")).parent)
    root = quote(str(request.root))
    if (request.root / ".git").exists():
        return f"git+file://{root}" + (f"?dir={quote(folder)}" if folder != "." else "")
    return f"path:{root}" + (f"/{quote(folder)}" if folder != "." else "")


@asynccontextmanager
async def worker(
    request: EvaluationRequest, environment: Mapping[str, str], home: Path
) -> AsyncIterator[tuple[Worker, int]]:
    """Start a worker for a job; also tells the number of its process.

    Raises:
        InfrastructureFault: it could not be started.
    """
    async with repl(environment, home=home, cwd=request.root) as process:
        queries = Queries(home / f"worker-{process.pid}")
        settings = nix_json(job_settings(request, mark=process.dialogue.mark, queries=queries.beginning))
        await process.bind("job", f"import {nix_string(str(EXPRESSION))} {settings}")
        for verb in ("top", "run"):
            await process.bind(verb, f"job.{verb}")
        yield Worker(process, request, queries), process.pid
