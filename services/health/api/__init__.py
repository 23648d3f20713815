"""The HTTP door of health: ingest for product backends, the API for CSM tools."""

from services.health.api import (
    accounts,
    at_risk,
    backtests,
    detector,
    disagreements,
    explain,
    fitted,
    health,
    history,
    metrics,
    monitoring,
    profiles,
    pulse,
    risks,
    signal_types,
    signal_webhooks,
    signals,
)
from services.health.api.ingest import bulk, captures, ingest, intake, limits

ROUTERS = (
    ingest.router,
    captures.router,
    bulk.router,
    limits.router,
    intake.router,
    accounts.router,
    health.router,
    explain.router,
    history.router,
    at_risk.router,
    risks.router,
    pulse.router,
    disagreements.router,
    signals.router,
    signal_types.router,
    signal_webhooks.senders,
    signal_webhooks.router,
    profiles.router,
    metrics.router,
    monitoring.router,
    detector.router,
    backtests.router,
    fitted.router,
)

__all__ = ["ROUTERS"]
