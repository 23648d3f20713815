"""The HTTP door of onboarding, one module a noun."""

from services.onboarding.api import accounts, contacts, owners, plans

ROUTERS = (accounts.router, owners.router, contacts.router, plans.router)
