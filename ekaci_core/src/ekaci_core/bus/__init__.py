"""Wake-ups and live events: never the only place of a fact."""

from ekaci_core.bus.broadcast import Broadcast
from ekaci_core.bus.wakeup import Wakeup

__all__ = ["Broadcast", "Wakeup"]
