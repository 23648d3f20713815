"""The HTTP door of health: ingest for product backends, the API for CSM tools."""

from services.health.api import (
    accounts,
    bulk,
    captures,
    ingest,
    intake,
    limits,
    risks,
    signals,
)

ROUTERS = (
    ingest.router,
    captures.router,
    bulk.router,
    limits.router,
    intake.router,
    accounts.router,
    risks.router,
    signals.router,
)

__all__ = ["ROUTERS"]
