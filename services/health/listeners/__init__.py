"""The event doors of health: facts of other services, and the usage stream."""

from services.health.listeners import facts, standing
from services.health.listeners.usage import UsageStream

LISTENERS = (*facts.LISTENERS, *standing.LISTENERS)

__all__ = ["LISTENERS", "UsageStream"]
