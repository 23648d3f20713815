"""The HTTP door of health: ingest for product backends, the API for CSM tools."""

from services.health.api import accounts, backtests, fitted, ingest, intake, risks, signals

ROUTERS = (
    ingest.router,
    intake.router,
    accounts.router,
    risks.router,
    signals.router,
    backtests.router,
    fitted.router,
)

__all__ = ["ROUTERS"]
