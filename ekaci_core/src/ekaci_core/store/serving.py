"""What a server, and nobody else, needs of a store."""

from __future__ import annotations

from typing import Protocol

from ekaci_core.store.audit import Audit
from ekaci_core.store.delivery import Deliveries
from ekaci_core.store.forge_facts import ForgeFacts
from ekaci_core.store.hook_execution import HookExecutions
from ekaci_core.store.outbox import Outbox
from ekaci_core.store.push import Pushes
from ekaci_core.store.review import Reviews
from ekaci_core.store.shared_checks import SharedChecks
from ekaci_core.store.tally import Tallies


class ServingStore(
    Audit, Deliveries, ForgeFacts, HookExecutions, Outbox, Pushes, Reviews, SharedChecks, Tallies, Protocol
):
    """The inbox, what forges told, what stands there, reviews, what caches and hooks are to have, audit, and counts."""
