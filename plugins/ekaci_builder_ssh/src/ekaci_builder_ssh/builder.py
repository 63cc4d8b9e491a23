"""The builder: copies there, builds there, copies back."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import anyio
import attrs

from ekaci_builder_ssh import commands
from ekaci_builder_ssh.circuit import Circuit, CircuitSettings
from ekaci_builder_ssh.connection import Connection
from ekaci_builder_ssh.faults import LEFT_ALONE, LIED, SILENT, Trouble, detail_of, trouble_in
from ekaci_builder_ssh.known import KnownPaths
from ekaci_builder_ssh.machine import Machine
from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    BuildState,
    Built,
    DrvPath,
    InfrastructureFault,
    PluginContext,
    Realised,
    StorePath,
    System,
)

# Each copy is a connection of its own, and sshd turns away who comes with too many at once.
_COPIES_AT_ONCE: Final = 3
# A machine that answered so recently is not asked whether it is there.
_FRESH_SECONDS: Final = 60.0
# For how long a machine that does not build what it was said to is not asked for it again.
_REFUSED_SECONDS: Final = 600.0


class SshBuilder:
    """Builds on one machine. What Nix says of that machine is never a failure of the build."""

    is_local = False

    def __init__(
        self,
        machine: Machine,
        systems: frozenset[System],
        connection: Connection,
        context: PluginContext,
        patience: CircuitSettings | None = None,
    ) -> None:
        """Say what it is; nothing is asked of the machine yet."""
        self.name = machine.uri.partition("?")[0]
        self.systems = systems
        self.mandatory_features = frozenset(machine.mandatory_features)
        self.features = self.mandatory_features.union(machine.supported_features)
        self.speed_factor = machine.speed_factor
        self._machine = machine
        self._connection = connection
        self._context = context
        self._patience = (patience or CircuitSettings()).answer_seconds
        self._circuit = Circuit(patience)
        self._fresh_until = -math.inf
        self._opened = anyio.Event()
        self._known = KnownPaths()
        self._copies = anyio.CapacityLimiter(_COPIES_AT_ONCE)
        self._refused: dict[tuple[str, tuple[str, ...]], float] = {}

    @property
    def slots(self) -> int:
        """Builds it runs at once; none while the machine does not answer."""
        return 0 if self._circuit.is_open else self._machine.max_jobs

    def present(self, paths: Collection[StorePath]) -> int:
        """Say how many of these were copied there or built there."""
        return self._known.count(paths)

    async def prepare(self, request: BuildRequest) -> BuildInterrupted | None:
        """Copy the inputs there, and for ``ssh-ng`` the derivation, unless they are known to be there."""
        if (unable := self._unable(request)) is not None:
            return unable
        drv = request.derivation.path
        try:
            inputs = await self._context.nix.inputs(drv)
        except InfrastructureFault as fault:
            return BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True)
        needed: list[str] = [*inputs]
        wanted = list(commands.copy_there(self._machine, map(StorePath, self._known.missing(inputs))))
        if self._builds_in_its_store(request):
            needed.append(drv)
            if self._known.missing([drv]):
                wanted.insert(0, commands.copy_derivation(self._machine, drv))
        async with self._copies:
            # Another build's copies may have been the end of it while this one waited.
            interrupted = self._unable(request) or await self._greet(request) or await self._copy(wanted, request)
        if interrupted is None:
            self._known.add(needed)
        return interrupted

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make one attempt there, and bring the outputs here."""
        if (unable := self._unable(request)) is not None:
            return unable
        if self._builds_in_its_store(request):
            done = await self._context.nix.realise(
                attrs.evolve(request, gc_root=None),
                arguments=commands.builds_there(self._machine),
                environment=self._connection.aside,
            )
            outcome = self._judged(done, request)
            return await self._bring(request) if isinstance(outcome, Built) else outcome
        raw = self._machine.scheme == "ssh"
        done = await self._context.nix.realise(
            request,
            arguments=commands.builds_by_hook(self._machine, self.systems),
            environment=self._connection.aside,
            side_is_log=raw,
            relayed_errors=raw,  # what a build prints comes on the side channel, unless a daemon runs the hook
        )
        outcome = self._judged(done, request)
        if isinstance(outcome, Built):
            self._known.add(_outputs(request))
        return outcome

    async def watch(self) -> None:
        """Ask a machine that did not answer, from time to time, whether it is back; runs until it is cancelled."""
        clock = self._context.clock
        while True:
            await self._opened.wait()
            while (probe_at := self._circuit.probe_at) is not None:
                await anyio.sleep(max(0.0, probe_at - clock.monotonic()))
                if await self._answers():
                    self._circuit.succeeded()
                    self._context.log.info("builder_back", builder=self.name)
                else:
                    self._circuit.probe_failed(clock.monotonic())
            self._opened = anyio.Event()

    async def _answers(self) -> bool:
        return await self._trouble_with(commands.ask(self._machine), self._patience) is None

    async def _greet(self, request: BuildRequest) -> BuildInterrupted | None:
        """Make sure that a machine which was silent for a while answers, before it gets hours to copy or to build."""
        if self._context.clock.monotonic() < self._fresh_until:
            return None
        found = await self._trouble_with(commands.ask(self._machine), self._patience)
        if found:
            return self._troubled(*found, request)
        self._heard()
        return None

    async def _copy(self, wanted: Sequence[Sequence[str]], request: BuildRequest) -> BuildInterrupted | None:
        deadline = anyio.current_time() + request.max_duration_seconds
        for command in wanted:
            if found := await self._trouble_with(command, deadline - anyio.current_time()):
                return self._troubled(*found, request)
            self._heard()
        return None

    async def _trouble_with(self, command: Sequence[str], seconds: float) -> tuple[Trouble, str] | None:
        """Run a command that talks to the machine; return what went wrong, and the telling line of it."""
        deadline = anyio.current_time() + seconds
        try:
            done = await self._context.nix.run(
                command, environment=self._connection.environment, timeout_seconds=seconds
            )
        except InfrastructureFault as fault:
            late = anyio.current_time() >= deadline
            return SILENT if late else Trouble(f"{command[0]} could not be run"), str(fault)
        if done.status == 0:
            return None
        return trouble_in(done.stderr, done.stderr) or Trouble("copying failed"), detail_of(done.stderr)

    def _heard(self) -> None:
        self._circuit.succeeded()
        self._fresh_until = self._context.clock.monotonic() + _FRESH_SECONDS

    def _judged(self, done: Realised, request: BuildRequest) -> BuildOutcome:
        outcome = done.outcome
        if isinstance(outcome, Built):
            self._heard()
            return outcome
        if isinstance(outcome, BuildInterrupted) and outcome.kind is BuildState.TIMEOUT:
            return outcome if done.began else self._troubled(SILENT, outcome.reason, request)
        said = "\n".join(done.aside)
        trouble = trouble_in(done.error_text, said) if done.errors else None
        if trouble is not None and (trouble.lost or not isinstance(outcome, BuildFailed)):
            return self._troubled(trouble, detail_of(said or done.error_text), request)
        if isinstance(outcome, BuildFailed):
            self._heard()
            return outcome
        return attrs.evolve(outcome, reason=f"{self.name}: {outcome.reason}")

    async def _bring(self, request: BuildRequest) -> BuildOutcome:
        outputs = _outputs(request)
        interrupted = await self._copy(list(commands.copy_back(self._machine, outputs)), request)
        if interrupted is None and request.gc_root is not None:
            interrupted = await self._register(request.derivation.path, request.gc_root)
        if interrupted is not None:
            return interrupted
        self._known.add(outputs)
        return Built()

    async def _register(self, drv: DrvPath, gc_root: Path) -> BuildInterrupted | None:
        try:
            gc_root.parent.mkdir(parents=True, exist_ok=True)
            done = await self._context.nix.run(commands.register(drv, str(gc_root)))
        except InfrastructureFault as fault:
            said = str(fault)
        except OSError as error:
            said = f"{gc_root.parent}: {error.strerror}"
        else:
            if done.status == 0:
                return None
            said = detail_of(done.stderr)
        reason = f"what {self.name} built could not be kept in the store: {said}"
        return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True)

    def _builds_in_its_store(self, request: BuildRequest) -> bool:
        # By the older protocol Nix only builds through its hook, which is also the one that finds out where
        # content-addressed outputs went.
        return self._machine.scheme == "ssh-ng" and all(output.path for output in request.derivation.outputs)

    def _unable(self, request: BuildRequest) -> BuildInterrupted | None:
        if self._circuit.is_open:
            return LEFT_ALONE.interruption(self.name)
        refused = self._refused.get(_wish(request))
        if refused is not None and self._context.clock.monotonic() - refused < _REFUSED_SECONDS:
            return LIED.interruption(self.name, _shown(request))
        return None

    def _troubled(self, trouble: Trouble, detail: str, request: BuildRequest) -> BuildInterrupted:
        now, log = self._context.clock.monotonic(), self._context.log
        if trouble.lost:
            self._circuit.failed(now)
            if self._circuit.is_open and not self._opened.is_set():
                log.warning("builder_left_alone", builder=self.name, reason=trouble.reason, detail=detail)
                self._opened.set()
        if trouble.collected:
            self._heard()
            self._known.forget()
        if trouble.lied:
            self._heard()
            detail = _shown(request)
            if _wish(request) not in self._refused:
                log.warning("builder_lies", builder=self.name, wanted=detail)
            self._refused[_wish(request)] = now
        return trouble.interruption(self.name, detail)


def _outputs(request: BuildRequest) -> list[StorePath]:
    return [output.path for output in request.derivation.outputs if output.path is not None]


def _wish(request: BuildRequest) -> tuple[str, tuple[str, ...]]:
    return request.derivation.system, tuple(sorted(request.derivation.features))


def _shown(request: BuildRequest) -> str:
    system, features = _wish(request)
    return f"{system} with {', '.join(features)}" if features else system
