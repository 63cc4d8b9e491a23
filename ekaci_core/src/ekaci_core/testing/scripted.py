"""An evaluator that follows a script, with the derivation files that it needs, and a clock that steps."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio.lowlevel
import attrs

from ekaci_core.api import EvaluationRequest
from ekaci_core.model.derivation import Derivation, Output
from ekaci_core.model.evaluation import EvaluatedAttribute, EvaluatedItem
from ekaci_core.model.ids import AttrPath, DrvPath, StorePath, System
from ekaci_core.nix.aterm import render_derivation

_LINUX: Final = System("x86_64-linux")
_LETTERS: Final = "0123456789abcdfghijklmnpqrsvwxyz"


class DerivationFiles:
    """A directory of derivation files: as a Nix store to whoever reads it, without Nix."""

    def __init__(self, directory: Path) -> None:
        """Make the directory if it is not there."""
        self._directory = directory
        directory.mkdir(exist_ok=True)

    def add(self, name: str, *inputs: DrvPath) -> DrvPath:
        """Write a derivation file; the same name has the same path."""
        digest = "".join(_LETTERS[byte % 32] for byte in hashlib.sha256(name.encode()).digest())
        path = DrvPath.parse(f"{self._directory}/{digest}-{name}.drv")
        output = Output("out", StorePath.parse(f"{self._directory}/{digest[::-1]}-{name}"))
        written = Derivation(
            outputs=(output,),
            input_drvs=dict.fromkeys(inputs, ("out",)),
            input_srcs=(),
            system=_LINUX,
            builder="/bin/sh",
            args=(),
            env={"name": name, "out": str(output.path)},
        )
        Path(path).write_bytes(render_derivation(written))
        return path

    def attribute(self, name: str, *inputs: DrvPath) -> EvaluatedAttribute:
        """Write a derivation file and make the attribute that an evaluator reports for it."""
        return EvaluatedAttribute(AttrPath(name), self.add(name, *inputs), name, _LINUX, {"out": None})


Step = Sequence[EvaluatedItem] | Exception | Callable[[], object]
"""Items to yield, an error to raise, or a function to call; what it returns is awaited if it can be."""


@attrs.define
class ScriptedEvaluator:
    """Yields batches, raises errors and calls functions in the order of its script, each time it is asked.

    ``requests`` are what it was asked, ``yielded`` the attributes it told of; ``running`` counts evaluations that have
    not been left. It does what the request says is known once more unless ``spares_known``.
    """

    script: Sequence[Step]
    identity: str = "script 1"
    requests: list[EvaluationRequest] = attrs.field(factory=list)
    yielded: list[AttrPath | None] = attrs.field(factory=list)
    running: int = 0
    spares_known: bool = True

    @asynccontextmanager
    async def evaluate(self, request: EvaluationRequest) -> AsyncIterator[AsyncIterator[Sequence[EvaluatedItem]]]:
        """See `Evaluator`; registers a gc root, where there must be none but those of what is known."""
        before = list(request.gc_roots.iterdir())
        assert bool(before) == bool(request.known)
        (request.gc_roots / f"root-{len(before)}").touch()
        self.requests.append(request)
        self.running += 1
        try:
            yield self._batches(request.known if self.spares_known else frozenset())
        finally:
            self.running -= 1

    async def _batches(self, spared: frozenset[AttrPath]) -> AsyncIterator[Sequence[EvaluatedItem]]:
        for step in self.script:
            await anyio.lowlevel.checkpoint()
            if isinstance(step, Exception):
                raise step
            if callable(step):
                result = step()
                if inspect.isawaitable(result):
                    await result
            else:
                items = [item for item in step if item.attr not in spared]
                self.yielded.extend(item.attr for item in items)
                yield items


class SteppingClock:
    """Each look at the clock is a second later."""

    def __init__(self) -> None:
        """Begin at an arbitrary time."""
        self._seconds = 1000.0

    def now(self) -> float:
        """Seconds since the epoch."""
        self._seconds += 1
        return self._seconds

    def monotonic(self) -> float:
        """Seconds on the same clock."""
        return self.now()
