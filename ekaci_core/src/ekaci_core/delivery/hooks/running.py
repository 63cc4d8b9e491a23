"""One run of a hook: what it is told, where it runs, its log, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_core.api import Logger
from ekaci_core.delivery.hooks import variables as told
from ekaci_core.delivery.hooks.bubblewrap import Bubblewrap
from ekaci_core.delivery.hooks.nix_state import make_state, outputs_of
from ekaci_core.delivery.hooks.place import HookPlace
from ekaci_core.delivery.hooks.rules import Hook, HookRefused, HookRules
from ekaci_core.logs import BuildLog, log_of
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.expansion import BadWord, expand
from ekaci_core.model.hook import HookState
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.process.faults import ChildTimedOut
from ekaci_core.process.running import running
from ekaci_core.process.sandbox import Sandbox, handed_over, sandbox_command, sandbox_options
from ekaci_core.store import Store
from ekaci_core.store.hook_execution import HookExecution

LOG_BYTES: Final = 16 * 1024 * 1024
"""Longest log of a hook; of a longer one, head and end are kept."""


@attrs.frozen
class HookEnd:
    """What a run came to; see `HookExecution`."""

    state: HookState
    exit_status: int | None = None
    reason: str = ""


@attrs.frozen
class _Process:
    """How a hook's program is started."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(repr=False)
    folder: Path
    stdin: bytes
    inherited: tuple[int, ...] = ()


@attrs.frozen
class HookRunner:
    """Runs hooks.

    Attributes:
        environment: what the server's own programs have. Hooks get little of it.
        logs_dir: where the logs of derivations are.
        places: where each run has a folder for as long as it takes.
        timeout_seconds: after which a hook is ended with all that it started.
        log: what operators read.
        bubblewrap: keeps hooks in a sandbox.
    """

    store: Store
    rules: HookRules
    environment: Mapping[str, str] = attrs.field(repr=False)
    logs_dir: Path
    places: Path
    timeout_seconds: int
    log: Logger
    bubblewrap: Bubblewrap = attrs.field(
        default=attrs.Factory(lambda self: Bubblewrap(self.environment), takes_self=True)
    )

    def log_path(self, execution: HookExecution) -> Path:
        """Say where a hook's log is."""
        return log_of(self.logs_dir, execution.drv.hash_part).with_name(f"hook-{execution.hook}.log")

    async def run(self, execution: HookExecution) -> HookEnd:
        """Run a hook to its end. What is wrong with it or with the machine is what it came to.

        Cancellation ends it with all that it started.

        Raises:
            InfrastructureFault: the store failed.
        """
        try:
            hook = self.rules.hook_of(execution)
            record = await self._record(execution.drv)
        except HookRefused as refused:
            return HookEnd(HookState.REFUSED, reason=str(refused))
        place = HookPlace(self.places / str(execution.id))
        try:
            with BuildLog(self.log_path(execution), limit=LOG_BYTES) as log:
                try:
                    return await self._prepared(hook, record, execution, place, log)
                finally:
                    await self._clear(place)
        except HookRefused as refused:
            return HookEnd(HookState.REFUSED, reason=str(refused))
        except BadWord as bad:
            return HookEnd(HookState.FAILED, reason=f"hook {hook.name}: {bad}")
        except InfrastructureFault as fault:
            return HookEnd(HookState.FAILED, reason=str(fault))
        except OSError as error:
            return HookEnd(HookState.FAILED, reason=f"{error.strerror}: {error.filename or place.root}")

    async def _clear(self, place: HookPlace) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await anyio.to_thread.run_sync(place.remove)
            except OSError as error:  # tried again when a server starts; it says nothing of the hook
                self.log.warning("hook_left_something", path=str(error.filename or place.root), reason=error.strerror)

    async def _record(self, drv: DrvPath) -> DerivationRecord:
        numbers = await self.store.derivation_ids([drv])
        records = await self.store.derivations(list(numbers.values()))
        if not records:
            raise HookRefused("the database does not know the derivation any more")
        return next(iter(records.values()))

    async def _prepared(
        self, hook: Hook, record: DerivationRecord, execution: HookExecution, place: HookPlace, log: BuildLog
    ) -> HookEnd:
        if hook.sandbox and (fault := await self.bubblewrap.fault()) is not None:
            raise HookRefused(fault)
        outputs = await outputs_of(record, self.environment)
        build_log = log_of(self.logs_dir, record.path.hash_part)
        await anyio.to_thread.run_sync(partial(place.make, build_log))
        # Also asked for a hook without a sandbox: it says whether the outputs are there.
        await make_state(place.nix, outputs, self.environment)
        seen = told.SANDBOX_LOG if hook.sandbox else str(place.build_log)
        own = told.hook_variables(execution, record, outputs, seen)
        with ExitStack() as stack:
            start = self._sandboxed if hook.sandbox else self._plain
            return await self._process(start(hook, own, outputs, place, stack), log)

    def _sandboxed(
        self, hook: Hook, own: Mapping[str, str], outputs: Sequence[StorePath], place: HookPlace, stack: ExitStack
    ) -> _Process:
        around = told.sandboxed_surroundings(self.environment)
        sandbox = Sandbox(
            environment=told.environment_of(around, hook.env, own),
            directory=told.SANDBOX_HOME,
            network=hook.network,
            read_only={
                told.SANDBOX_LOG: str(place.build_log),
                "/etc/passwd": str(place.passwd),
                "/etc/group": str(place.group),
                **{str(path): str(path) for path in hook.ro_bind},
            },
            writable={
                told.SANDBOX_HOME: str(place.home),
                told.SANDBOX_TMP: str(place.tmp),
                told.SANDBOX_NIX: str(place.nix),
            },
        )
        words = expand(hook.command, {**around, **hook.env, **own}, outputs)
        options = stack.enter_context(handed_over(sandbox_options(sandbox)))
        # Bubblewrap's own variables can be read by what it runs.
        path = {"PATH": self.environment.get("PATH", "")}
        return _Process(sandbox_command(words, options), path, Path("/"), _lines(outputs), (options,))

    def _plain(
        self, hook: Hook, own: Mapping[str, str], outputs: Sequence[StorePath], place: HookPlace, _: ExitStack
    ) -> _Process:
        around = told.plain_surroundings(self.environment, str(place.tmp))
        words = expand(hook.command, {**around, **hook.env, **own}, outputs)
        return _Process(words, told.environment_of(around, hook.env, own), place.tmp, _lines(outputs))

    async def _process(self, process: _Process, log: BuildLog) -> HookEnd:
        try:
            async with running(
                process.command,
                env=process.environment,
                cwd=process.folder,
                stdin=process.stdin,
                stderr="merge",
                timeout_seconds=self.timeout_seconds,
                inherited=process.inherited,
            ) as child:
                async for chunk in child.stdout.chunks():
                    log.write(chunk)
                status = await child.wait()
        except ChildTimedOut:
            reason = f"Hook execution timed out after {self.timeout_seconds} seconds"
            log.write(f"{reason}\n".encode())
            return HookEnd(HookState.TIMED_OUT, reason=reason)
        if status == 0:
            return HookEnd(HookState.SUCCEEDED, 0)
        how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        return HookEnd(HookState.FAILED, status, how)


def _lines(outputs: Sequence[StorePath]) -> bytes:
    return "".join(f"{path}\n" for path in outputs).encode()
