"""The event doors of health: facts of other services, the usage stream, the signals stream."""

from services.health.listeners import facts, standing
from services.health.listeners.signals import SignalStream
from services.health.listeners.usage import UsageStream

LISTENERS = (*facts.LISTENERS, *standing.LISTENERS)

__all__ = ["LISTENERS", "SignalStream", "UsageStream"]
