"""Wake-ups and live events: never the only place of a fact."""

from ekaci_core.bus.broadcast import Broadcast

__all__ = ["Broadcast"]
