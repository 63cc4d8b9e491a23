"""Facts: what was evaluated, what was built, with what result. Everything else can be derived."""

from ekaci_core.store.contract import Store
from ekaci_core.store.sqlite import open_store

__all__ = ["Store", "open_store"]
