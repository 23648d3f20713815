"""The HTTP door of health: ingest for product backends, the API for CSM tools."""

from services.health.api import (
    accounts,
    at_risk,
    disagreements,
    ingest,
    intake,
    pulse,
    risks,
    signal_types,
    signal_webhooks,
    signals,
)

ROUTERS = (
    ingest.router,
    intake.router,
    accounts.router,
    risks.router,
    signals.router,
    signal_types.router,
    signal_webhooks.router,
    at_risk.router,
    pulse.router,
    disagreements.router,
)

__all__ = ["ROUTERS"]
