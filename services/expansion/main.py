"""Composition root of expansion."""

from fastapi import FastAPI

from services.expansion import api
from services.expansion.jobs import JOBS
from services.expansion.listeners import LISTENERS
from services.expansion.settings import Settings
from shared.web.service import Service, build_service

SERVICE = Service(
    name="expansion",
    description="Expand: seats, how many are used, and what to offer when nothing is against it.",
    routers=(api.router,),
    listeners=LISTENERS,
    jobs=JOBS,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the service's app; its listeners and jobs run for as long as it does."""
    return build_service(SERVICE, settings or Settings())
