"""The HTTP door of health: ingest for product backends, the API for CSM tools."""

from services.health.api import accounts, backtests, ingest, intake, loss_models, risks, signals

ROUTERS = (
    ingest.router,
    intake.router,
    accounts.router,
    risks.router,
    signals.router,
    backtests.router,
    loss_models.router,
)

__all__ = ["ROUTERS"]
