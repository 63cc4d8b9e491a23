"""Live events and wake-ups between services. Facts are in the store."""

from ekaci_core.bus.broadcast import Broadcast
from ekaci_core.bus.wake import Wake

__all__ = ["Broadcast", "Wake"]
