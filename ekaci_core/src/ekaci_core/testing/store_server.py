"""The part of a store's contract that a server needs."""

from __future__ import annotations

from ekaci_core.testing.store_audit import AuditConformance
from ekaci_core.testing.store_deliveries import DeliveryConformance
from ekaci_core.testing.store_forge_facts import ForgeFactsConformance
from ekaci_core.testing.store_hooks import HookConformance
from ekaci_core.testing.store_outbox import OutboxConformance
from ekaci_core.testing.store_pushes import PushConformance
from ekaci_core.testing.store_reviews import ReviewConformance
from ekaci_core.testing.store_shared_checks import SharedChecksConformance
from ekaci_core.testing.store_tallies import TallyConformance


class ServerConformance(
    AuditConformance,
    DeliveryConformance,
    ForgeFactsConformance,
    HookConformance,
    OutboxConformance,
    PushConformance,
    ReviewConformance,
    SharedChecksConformance,
    TallyConformance,
):
    """What every store does for a server."""
