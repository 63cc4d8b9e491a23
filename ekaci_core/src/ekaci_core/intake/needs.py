"""The part of a store that intake needs."""

from __future__ import annotations

from typing import Protocol

from ekaci_core.store.delivery import Deliveries
from ekaci_core.store.forge_facts import ForgeFacts
from ekaci_core.store.review import Reviews


class IntakeStore(Deliveries, Reviews, ForgeFacts, Protocol):
    """The inbox, reviews, and what forges told."""
