"""The HTTP door of health: ingest for product backends, the API for CSM tools."""

from services.health.api import (
    accounts,
    explain,
    health,
    history,
    ingest,
    intake,
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
)

__all__ = ["ROUTERS"]
