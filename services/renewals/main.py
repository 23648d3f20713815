"""Composition root of renewals."""

from fastapi import FastAPI

from services.renewals import api
from services.renewals.jobs import JOBS
from services.renewals.listeners import LISTENERS
from services.renewals.settings import Settings
from shared.web.service import Service, build_service

SERVICE = Service(
    name="renewals",
    description="Contracts, renewals and their probability, windows before notice, and saves.",
    routers=api.ROUTERS,
    listeners=LISTENERS,
    jobs=JOBS,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the service's app; its listeners and jobs run for as long as it does."""
    return build_service(SERVICE, settings or Settings())
