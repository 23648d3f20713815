"""How a request of a product backend comes in: who sends it, when, and how it is answered."""

from datetime import datetime

from fastapi import Request
from pydantic import BaseModel, Field

from services.health.api.ingest.body import InvalidGzip, PayloadTooLarge, UnsupportedEncoding
from services.health.domain.usage.event import Reception
from services.health.domain.usage.members import InvalidEvent, read_time
from services.health.settings import Settings
from services.health.usecases.usage.intake import USAGE_HEADERS
from shared.auth.key_ring import KeyRing
from shared.auth.principal import Principal
from shared.bus.packing import Packer
from shared.bus.producer import RateLimited, Unavailable
from shared.bus.topics import USAGE_TOPIC
from shared.kernel.errors import Kind, Refusal
from shared.web.deps import presented_secret
from shared.web.openapi import responses


class InvalidJson(Refusal):
    """The body is not the JSON this path reads."""

    kind = Kind.MALFORMED


class InvalidWriteKey(Refusal):
    """Send a write key: as the user of Basic auth, as a Bearer token, or in the body."""

    kind = Kind.UNAUTHENTICATED


class InvalidEvents(Refusal):
    """In strict mode a batch with an invalid event is refused whole; see errors."""

    kind = Kind.MALFORMED


class Receipt(BaseModel):
    """What became of a request's events; all of it is durable."""

    success: bool = True
    accepted: int = Field(description="Events that count, or that name accounts and users.")
    rejected: int = Field(description="Events that do not: `GET /api/v1/rejections` says why.")
    ignored: int = Field(default=0, description="What an SDK says about itself. Left out if 0.")


PROBLEMS = responses(
    InvalidJson,
    InvalidEvents,
    InvalidGzip,
    UnsupportedEncoding,
    InvalidWriteKey,
    PayloadTooLarge,
    RateLimited,
    Unavailable,
)


async def writer(request: Request, in_body: object = None) -> Principal:
    """Return who writes. Only keys with the scope ``usage:write`` do."""
    secret = presented_secret(request) or (in_body if isinstance(in_body, str) else None)
    key_ring: KeyRing = request.app.state.key_ring
    principal = await key_ring.authenticate(secret) if secret else None
    if principal is None or not principal.allows("usage:write"):
        raise InvalidWriteKey
    return principal


def reception_of(
    request: Request, principal: Principal, sent_at: object = None, *, is_history: bool = False
) -> Reception:
    """Return how a request came in."""
    settings: Settings = request.app.state.settings
    now: datetime = request.app.state.clock.now()
    groups = settings.account_groups
    return Reception(principal.source, now, _time_or_none(sent_at), groups, is_history)


def packer_of(request: Request) -> Packer:
    """Return what packs the usage events of this process."""
    state = request.app.state
    if not hasattr(state, "usage_packer"):
        state.usage_packer = Packer(state.producer, USAGE_TOPIC, USAGE_HEADERS)
    packer: Packer = state.usage_packer
    return packer


_NO = frozenset({"", "0", "false", "no", "off"})


def is_strict(request: Request) -> bool:
    """Tell whether one invalid event is to refuse the whole request.

    Any word that does not say no asks for it: who sends the header wants to hear of mistakes.
    """
    return request.headers.get("x-strict-mode", "").strip().lower() not in _NO


def _time_or_none(value: object) -> datetime | None:
    """Without a usable sentAt there is no correction of the sender's clock, and no harm."""
    try:
        return read_time(value) if value is not None else None
    except InvalidEvent:
        return None
