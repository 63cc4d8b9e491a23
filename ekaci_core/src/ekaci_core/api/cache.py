"""Contract of a binary cache: a place that takes store paths, so that nobody builds them again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import attrs

from ekaci_core.api.context import PluginContext
from ekaci_core.api.credentials import CredentialUse
from ekaci_core.api.programs import WriteLog
from ekaci_core.model.ids import StorePath


@attrs.frozen(kw_only=True)
class CacheConfig:
    """What the table of every cache has; a type's own class inherits it.

    Attributes:
        id: what repositories and operators call it.
        destination: where it is, in the words of its type.
        credentials: where its secrets come from.
    """

    id: str
    destination: str
    credentials: CredentialUse = CredentialUse("none")


@attrs.frozen
class PushRequest:
    """Some store paths for one cache.

    Attributes:
        paths: valid in the store of this machine; what a path refers to stands before it, or is in the cache, or is
            what the cache itself knows to find elsewhere.
        log: takes what the work prints.
    """

    paths: Sequence[StorePath]
    log: WriteLog


@attrs.frozen
class Pushed:
    """It is in the cache now. ``sent_bytes`` counts what went over the wire, None where that is not known."""

    sent_bytes: int | None = None


@attrs.frozen
class AlreadyPresent:
    """It was there before."""


@attrs.frozen
class PushFailed:
    """It is not in the cache.

    Attributes:
        reason: a sentence for operators, without secrets.
        transient: whether it may go well another time with nothing changed: a network, a full queue.
        retry_after_seconds: how long the cache asks to be left alone; None where it does not say.
    """

    reason: str
    transient: bool = False
    retry_after_seconds: float | None = None


PushOutcome = Pushed | AlreadyPresent | PushFailed


class Cache(Protocol):
    """One configured cache, open."""

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """Say which of these the cache has not; all of them where it cannot be asked without pushing.

        Raises:
            InfrastructureFault: it cannot be reached now.
            UsageFault: what is configured cannot work.
        """
        ...

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """Bring paths there; says of each what became of it. Cancellation stops every process of it and waits for it.

        Credentials that are refused are renewed once (`HeldCredentials.renew`) before that is an outcome.
        Raises nothing in the ordinary course: faults are outcomes.
        """
        ...


class CacheType(Protocol):
    """A kind of cache, as a plugin registers it."""

    @property
    def name(self) -> str:
        """The word of ``[[caches]] cache_type``."""
        ...

    @property
    def config(self) -> type[Any]:
        """Its attrs class, which inherits `CacheConfig`."""
        ...

    def open(self, config: Any, context: PluginContext) -> AbstractAsyncContextManager[Cache]:
        """Open the cache, without talking to it.

        Raises:
            UsageFault: the destination or a setting cannot be used; says which and what to write instead.
            InfrastructureFault: a program that it needs is not on this machine.
        """
        ...
