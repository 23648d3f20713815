"""The HTTP door of health: ingest for product backends, the API for CSM tools."""

from services.health.api import (
    accounts,
    detector,
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
    risks.router,
    signals.router,
    profiles.router,
    metrics.router,
    monitoring.router,
    detector.router,
)

__all__ = ["ROUTERS"]
