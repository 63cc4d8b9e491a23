"""Post-build hooks as a server runs them."""

from __future__ import annotations

import attrs

from ekaci_core.api import PluginContext
from ekaci_core.bus import Wakeup
from ekaci_core.config.hooks import PUSH_PREFIX
from ekaci_core.config.server import ServerConfig
from ekaci_core.delivery.hooks import HookAudit, HookQueue, HookRules, HookRunner, HookWishes
from ekaci_core.server.server_places import ServerPlaces
from ekaci_core.store import Store


@attrs.frozen
class Hooks:
    """What queues them, and what runs them."""

    wishes: HookWishes
    queue: HookQueue


def hooks_of(config: ServerConfig, store: Store, places: ServerPlaces, context: PluginContext) -> Hooks:
    """Put both together; the context's environment is that of the server's own programs."""
    clock, log = context.clock, context.log
    rules = hook_rules(config)
    audit = HookAudit(store, clock, log, enabled=config.security.audit_hooks)
    asked = Wakeup()
    runner = HookRunner(
        store=store,
        rules=rules,
        environment=context.environment,
        logs_dir=places.logs,
        places=places.hooks,
        timeout_seconds=config.security.max_hook_timeout_seconds,
        log=log,
    )
    return Hooks(HookWishes(store, rules, audit, clock, log, asked), HookQueue(store, runner, audit, clock, log, asked))


def hook_rules(config: ServerConfig) -> HookRules:
    """Read what the configuration says of hooks."""
    pushes = {f"{PUSH_PREFIX}{cache.id}" for cache in config.caches}
    return HookRules(
        entries=config.hooks,
        allowed_repos=config.security.allowed_hook_repos,
        own_network=config.security.repository_hook_network,
        taken=frozenset(pushes.union(each.name for each in config.hooks)),
    )
