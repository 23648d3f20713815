"""What onboarding is told by its environment."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.web.settings import ServiceSettings

_PACKAGED = Path(__file__).parent / "templates"


class Settings(ServiceSettings):
    """What the onboarding service needs to start: what every service needs."""


class TemplateSettings(BaseSettings):
    """Where the onboarding templates are; those packaged with Tenure by default."""

    model_config = SettingsConfigDict(env_prefix="TENURE_", extra="ignore", frozen=True)

    onboarding_templates: Path = _PACKAGED
    """A folder of ``<segment>.yml`` files, one of them ``default.yml``."""
