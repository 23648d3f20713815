"""The composition root of health."""

from fastapi import FastAPI

from services.health.api import ROUTERS
from services.health.api.ingest.browsers import Browsers
from services.health.jobs import JOBS
from services.health.listeners import LISTENERS, SignalStream, UsageStream
from services.health.settings import Retention, Settings, UsageMemory
from services.health.usecases.files.files import load_catalogue, load_mappings
from services.health.usecases.profile.profiles import PROFILES
from shared.bus.topics import SIGNALS_TOPIC, USAGE_TOPIC
from shared.bus.windows import Windows
from shared.web.service import Service, Stream, build_service

SERVICE = Service(
    name="health",
    description="Adopt: usage, signals, the health score and the risks it finds.",
    routers=ROUTERS,
    listeners=LISTENERS,
    jobs=JOBS,
    front=lambda app, settings: Browsers(app, settings.origins) if settings.origins else app,
    streams=(
        Stream(
            topic=USAGE_TOPIC,
            max_records=5_000,
            fetch_bytes=1024 * 1024,
            is_bulk=True,
            handler=lambda database: Windows(
                UsageStream(
                    database,
                    raw_days=Retention().usage_raw_days,
                    ids_mib=UsageMemory().usage_ids_mib,
                    sums=PROFILES.sums,
                )
            ),
        ),
        Stream(
            topic=SIGNALS_TOPIC,
            max_records=500,
            fetch_bytes=1024 * 1024,
            handler=SignalStream,
        ),
    ),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the app of health, from the environment unless settings are given.

    Raises `SignalsInvalid` or `MappingInvalid` when a file of the company's own cannot be used: a
    mistake is seen at the start and not with the first signal.
    """
    load_catalogue()
    load_mappings()
    return build_service(SERVICE, settings or Settings())
