"""The HTTP door of health: ingest for product backends, the API for CSM tools."""

from services.health.api import (
    accounts,
    detector,
    explain,
    health,
    history,
    ingest,
    intake,
    metrics,
    monitoring,
    profiles,
    risks,
    signals,
)

ROUTERS = (
    ingest.router,
    intake.router,
    accounts.router,
    health.router,
    explain.router,
    history.router,
    risks.router,
    signals.router,
    profiles.router,
    metrics.router,
    monitoring.router,
    detector.router,
)

__all__ = ["ROUTERS"]
