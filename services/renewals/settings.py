"""Settings of renewals: those every service has."""

from shared.web.settings import ServiceSettings


class Settings(ServiceSettings):
    """What renewals needs to start."""
