"""Open instances of registered types: opened one by one, closed in reverse, whatever happens between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import anyio
import anyio.abc

from ekaci_core.api import Builder, Cache, CredentialSource, DiscoversBuilders, Evaluator, Forge, PluginContext
from ekaci_core.registry.catalogue import Registry
from ekaci_core.registry.guard import Translating
from ekaci_core.registry.guarded import GuardedBuilder, GuardedEvaluator
from ekaci_core.registry.hosting import Host
from ekaci_core.registry.kinds import Kind

OPEN_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 30.0

Instance = TypeVar("Instance")


class Instances:
    """An async context manager that owns open plugin objects."""

    def __init__(
        self,
        registry: Registry,
        context: PluginContext,
        *,
        open_seconds: float = OPEN_SECONDS,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        """Prepare.

        Args:
            registry: where the types come from.
            context: handed to each ``open``.
            open_seconds: the longest time one instance may take to open.
            close_seconds: the longest time one instance may take to close before it is cancelled.
        """
        self._registry = registry
        self._context = context
        self._open_seconds = open_seconds
        self._close_seconds = close_seconds
        self._stack = AsyncExitStack()
        self._tasks: anyio.abc.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        """Begin; nothing is open yet."""
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all in reverse order. The caller's exception leaves as it came, never in a group."""
        try:
            await self._stack.aclose()
        finally:
            if self._tasks is not None:
                await self._tasks.__aexit__(None, None, None)

    async def evaluator(self, name: str, config: Any = None) -> Evaluator:
        """Open an evaluator, for as long as this context is open.

        Args:
            name: the name of its type.
            config: an instance of the type's ``config`` class; None for its defaults.

        Raises:
            UsageFault: no active plugin brings it.
            EkaciError: it cannot work on this machine, or fails to open, or not in time.
        """
        found = self._registry.evaluator_type(name)
        who = self._who(Kind.EVALUATOR, name)
        inner = await self._open(found.config, config, found.open, who)
        return GuardedEvaluator(inner, who=who, log=self._context.log)

    async def builder(self, name: str, config: Any = None) -> Builder:
        """Open a builder; arguments and errors as for `evaluator`."""
        found = self._registry.builder_type(name)
        who = self._who(Kind.BUILDER, name)
        inner = await self._open(found.config, config, found.open, who)
        return GuardedBuilder(inner, who=who, log=self._context.log)

    async def forge(self, name: str, config: Any) -> Forge:
        """Open a forge; arguments and errors as for `evaluator`."""
        from ekaci_core.registry.guarded_forge import GuardedForge  # noqa: PLC0415 - only a server has forges

        found = self._registry.forge_type(name)
        who = self._who(Kind.FORGE, name)
        inner = await self._open(found.config, config, found.open, who)
        return GuardedForge(inner, who=who, log=self._context.log)

    async def cache(self, name: str, config: Any) -> Cache:
        """Open a cache; arguments and errors as for `evaluator`."""
        from ekaci_core.registry.guarded_cache import GuardedCache  # noqa: PLC0415 - only a server has caches

        found = self._registry.cache_type(name)
        who = self._who(Kind.CACHE, name)
        inner = await self._open(found.config, config, found.open, who)
        return GuardedCache(inner, who=who, log=self._context.log)

    async def credential_source(self, name: str, config: Any = None) -> CredentialSource:
        """Open a credential source; arguments and errors as for `evaluator`. Its calls are guarded where it is used."""
        found = self._registry.credential_type(name)
        return await self._open(found.config, config, found.open, self._who(Kind.CREDENTIAL, name))

    async def discovered(self, name: str) -> Sequence[Any]:
        """Return the configurations of builders of this type that are configured elsewhere; none where it finds none.

        Raises:
            UsageFault: no active plugin brings the type, or what it finds cannot be used.
            EkaciError: it fails to look.
        """
        found = self._registry.builder_type(name)
        if not isinstance(found, DiscoversBuilders):
            return ()
        with Translating(self._who(Kind.BUILDER, name), self._context.log):
            return tuple(await found.discover(self._context))

    async def _open(
        self,
        config_class: type[Any],
        config: Any,
        opener: Callable[[Any, PluginContext], AbstractAsyncContextManager[Instance]],
        who: str,
    ) -> Instance:
        if config is None:
            with Translating(who, self._context.log):
                config = config_class()
        host = Host(partial(opener, config, self._context), who=who, log=self._context.log)
        if self._tasks is None:
            raise RuntimeError("Instances is not entered")
        # Before opening: a cancellation just after the instance is open must still close it.
        self._stack.push_async_callback(host.close, self._close_seconds)
        return await host.open(self._tasks, self._open_seconds)

    def _who(self, kind: Kind, name: str) -> str:
        report = self._registry.provider(kind, name)
        return f"{kind.value} {name} ({report.distribution} {report.version})"
