"""Pushing to Attic without its program: what a path refers to is there before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import anyio
import attrs

from ekaci_cache_backends.attic.interface import AtticInterface, token_of
from ekaci_cache_backends.attic.nar import ObjectChanged
from ekaci_cache_backends.attic.path_infos import ObjectInfo
from ekaci_cache_backends.refusals import CredentialsRefused, failed, with_lease
from ekaci_core.api import (
    AlreadyPresent,
    EkaciError,
    HeldCredentials,
    InfrastructureFault,
    Lease,
    Pushed,
    PushFailed,
    PushOutcome,
    StorePath,
    WriteLog,
)

_AT_ONCE: Final = 4
"""Uploads at a time; Attic's own program has 5."""


@attrs.frozen
class AtticUpload:
    """Uploads of one request.

    Attributes:
        interface: of the cache.
        credentials: renewed once where the server refuses them.
        infos: what the store has registered, by path.
        log: takes a line for each path.
    """

    interface: AtticInterface
    credentials: HeldCredentials
    infos: Mapping[StorePath, ObjectInfo]
    log: WriteLog
    _outcomes: dict[StorePath, PushOutcome] = attrs.field(factory=dict, init=False)
    _ended: dict[StorePath, anyio.Event] = attrs.field(factory=dict, init=False)
    _refusals: list[PushFailed] = attrs.field(factory=list, init=False)

    async def push(self, paths: Sequence[StorePath]) -> Mapping[StorePath, PushOutcome]:
        """Upload; faults are outcomes, other than those of the log."""
        upstream = await self._upstream()
        limit = anyio.CapacityLimiter(_AT_ONCE)
        self._ended.update((path, anyio.Event()) for path in paths)
        faults: list[EkaciError] = []

        async def one(path: StorePath) -> None:
            try:
                self._outcomes[path] = await self._upload(path, upstream, limit)
            except EkaciError as fault:  # the log's: carried around the task group, which would wrap it
                faults.append(fault)
                tasks.cancel_scope.cancel()
            finally:
                self._ended[path].set()

        async with anyio.create_task_group() as tasks:
            for path in paths:
                tasks.start_soon(one, path)
        if faults:
            raise faults[0]
        return self._outcomes

    async def _upstream(self) -> frozenset[str]:
        async def ask(lease: Lease) -> frozenset[str]:
            return (await self.interface.profile(token_of(lease, self.interface.where))).upstream_keys

        try:
            return await ask(await self.credentials.resolve())
        except CredentialsRefused:
            return frozenset()  # a token may allow to push, and not to read

    async def _upload(self, path: StorePath, upstream: Collection[str], limit: anyio.CapacityLimiter) -> PushOutcome:
        info = self.infos.get(path)
        if info is None:
            return PushFailed(f"the store of this machine does not have {path}")
        if any(each.partition(":")[0] in upstream for each in info.signatures):
            self.log(f"{path}: users of the cache find it elsewhere\n".encode())
            return AlreadyPresent()
        for reference in info.references:
            if reference != path and (failure := await self._failure(reference)) is not None:
                return failure
        async with limit:
            return self._refusals[0] if self._refusals else await self._attempt(info)

    async def _failure(self, reference: StorePath) -> PushFailed | None:
        if reference not in self._ended:
            return None
        await self._ended[reference].wait()
        outcome = self._outcomes.get(reference)
        if not isinstance(outcome, PushFailed):
            return None
        return attrs.evolve(outcome, reason=f"it refers to {reference}, which is not there: {outcome.reason}")

    async def _attempt(self, info: ObjectInfo) -> PushOutcome:
        async def attempt(lease: Lease) -> int | None:
            token = token_of(lease, self.interface.where)
            try:
                return await self.interface.upload(info, token)
            except InfrastructureFault:
                # The answer of a server that gives one before it has read everything is lost with the connection.
                if await self.interface.missing([info.path], token):
                    raise
                return None

        try:
            sent = await with_lease(self.credentials, attempt)
        except EkaciError as fault:
            outcome = failed(fault)
            if isinstance(fault, CredentialsRefused):
                self._refusals.append(outcome)  # nobody is asked for other secrets again
        except (OSError, ObjectChanged) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            outcome = PushFailed(f"{info.path} cannot be read: {said}")
        else:
            self.log(f"{info.path}: {'sent' if sent is None else f'{sent} bytes sent'}\n".encode())
            return Pushed(sent)
        self.log(f"{info.path}: {outcome.reason}\n".encode())
        return outcome
