"""Settings of expansion: those every service has."""

from shared.web.settings import ServiceSettings


class Settings(ServiceSettings):
    """What expansion needs to start."""
