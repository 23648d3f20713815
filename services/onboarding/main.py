"""The onboarding service: its doors, in one place."""

from fastapi import FastAPI

from services.onboarding import api, gateways
from services.onboarding.jobs import JOBS
from services.onboarding.listeners import LISTENERS
from services.onboarding.settings import Settings
from shared.web.service import Service, build_service

SERVICE = Service(
    name="onboarding",
    description="Accounts, contacts, owners, and the way of a new customer to first value.",
    routers=api.ROUTERS,
    listeners=LISTENERS,
    jobs=JOBS,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the service's app. Raises `BrokenTemplate`: better now than at the first account."""
    gateways.templates()
    return build_service(SERVICE, settings or Settings())
