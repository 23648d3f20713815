"""The HTTP door of renewals."""

from services.renewals.api import contracts, renewals, saves

ROUTERS = (contracts.router, renewals.router, saves.router)
