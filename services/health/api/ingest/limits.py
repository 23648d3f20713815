"""What may be sent, for whoever writes a client: the figures of this very service."""

from fastapi import Request
from pydantic import BaseModel, Field

from services.health.api.ingest.sorting import MOST_EVENTS
from services.health.domain.usage.event import (
    BACKFILL_AFTER,
    LARGEST_EVENT,
    MOST_AHEAD,
    MOST_BEHIND,
)
from services.health.domain.usage.members import DEEPEST, LONGEST_ID, LONGEST_NAME
from services.health.settings import Settings
from shared.web.problems import RETRY_SECONDS
from shared.web.routing import api_router

router = api_router("", tags=["ingest"])
_LONGEST_ACCOUNT_ID = 128


class Limits(BaseModel):
    """What a request and an event may be."""

    body_bytes: int = Field(description="A body, unpacked; a bulk stream has no limit.")
    event_bytes: int = Field(description="One event, as JSON; larger ones are rejected.")
    batch_events: int
    nesting_levels: int
    name_characters: int
    id_characters: int = Field(description="Of event ids, sources and user ids.")
    account_id_characters: int
    future_seconds: int = Field(description="Events further ahead count as of now.")
    backfill_after_seconds: int = Field(description="Older events count as history.")
    oldest_seconds: int = Field(description="Still older events are rejected.")
    deduplication_seconds: int = Field(description="An id counts once for at least so long.")
    retry_after_seconds: int = Field(description="What 429 and 503 ask for.")
    unacknowledged_bytes: int = Field(description="Past it, 429 until the broker catches up.")


@router.get("/v1/limits", name="limits")
async def show_limits(request: Request) -> Limits:
    """Show what may be sent. No key is needed."""
    settings: Settings = request.app.state.settings
    return Limits(
        body_bytes=settings.ingest_body_bytes,
        event_bytes=LARGEST_EVENT,
        batch_events=MOST_EVENTS,
        nesting_levels=DEEPEST,
        name_characters=LONGEST_NAME,
        id_characters=LONGEST_ID,
        account_id_characters=_LONGEST_ACCOUNT_ID,
        future_seconds=int(MOST_AHEAD.total_seconds()),
        backfill_after_seconds=int(BACKFILL_AFTER.total_seconds()),
        oldest_seconds=int(MOST_BEHIND.total_seconds()),
        deduplication_seconds=int(BACKFILL_AFTER.total_seconds()),
        retry_after_seconds=RETRY_SECONDS,
        unacknowledged_bytes=settings.max_unacknowledged_bytes,
    )
