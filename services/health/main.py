"""The composition root of health."""

from fastapi import FastAPI

from services.health.api import ROUTERS
from services.health.jobs import JOBS
from services.health.listeners import LISTENERS, UsageStream
from services.health.settings import Settings
from services.health.usecases.profiles import PROFILES
from shared.bus.topics import USAGE_TOPIC
from shared.bus.windows import Windows
from shared.web.service import Service, Stream, build_service

SERVICE = Service(
    name="health",
    description="Adopt: usage, signals, the health score and the risks it finds.",
    routers=ROUTERS,
    listeners=LISTENERS,
    jobs=JOBS,
    streams=(
        Stream(
            topic=USAGE_TOPIC,
            max_records=5_000,
            fetch_bytes=1024 * 1024,
            handler=lambda database: Windows(
                UsageStream(database, raw_days=Settings().usage_raw_days, sums=PROFILES.sums)
            ),
        ),
    ),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the app of health, from the environment unless settings are given."""
    return build_service(SERVICE, settings or Settings())
