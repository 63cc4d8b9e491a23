"""Post-build hooks: which are run, a queue of rows, and the sandbox that they run in."""

from ekaci_core.delivery.hooks.auditing import HookAudit
from ekaci_core.delivery.hooks.executing import HookQueue
from ekaci_core.delivery.hooks.rules import HookRules
from ekaci_core.delivery.hooks.running import HookRunner
from ekaci_core.delivery.hooks.wanting import HookWishes

__all__ = ["HookAudit", "HookQueue", "HookRules", "HookRunner", "HookWishes"]
