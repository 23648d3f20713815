"""The event doors of health: facts of other services, and the usage stream."""

from services.health.listeners.facts import LISTENERS
from services.health.listeners.usage import UsageStream

__all__ = ["LISTENERS", "UsageStream"]
