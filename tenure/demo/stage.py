"""Where the demo plays: the addresses of everything it talks to and reads from."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from shared.auth import keys
from shared.db.engine import create_engine
from shared.db.transaction import Database
from shared.kernel.clock import SystemClock
from tenure.catalog import SERVICES
from tenure.demo.cast import Backend, Customer, customers
from tenure.demo.receivers import SmtpSink, WebhookReceiver

ADMIN = "admin"


class DemoFailedError(RuntimeError):
    """The story could not be played to its end; the message says why and what to look at."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Addresses, folder and names of one run.

    ``suffix`` makes this run's accounts, segments and sources its own; it is empty on a stack of
    our own. ``started_at`` is when the command began, ``ready_at`` when all services were ready.
    """

    folder: Path
    urls: Mapping[str, str]
    admin_url: str
    bootstrap: str
    suffix: str
    started_at: datetime
    ready_at: datetime
    mail: SmtpSink
    hooks: WebhookReceiver
    cast: tuple[Customer, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cast", customers(self.suffix))

    @property
    def account_ids(self) -> list[str]:
        """The accounts of this run."""
        return [customer.account_id for customer in self.cast]

    def source(self, backend: str) -> str:
        """Return the source under which a backend's events are counted."""
        return f"/demo/{backend}{self.suffix}"


@asynccontextmanager
async def databases(admin_url: str) -> AsyncIterator[Mapping[str, Database]]:
    """Open the schema of every service, and of the keys, as administrator."""
    async with AsyncExitStack() as exits:
        opened = {}
        for name in (*SERVICES, "auth"):
            engine = create_engine(admin_url, schema=name, pool_size=1)
            opened[name] = Database(engine, service=name, clock=SystemClock())
            exits.push_async_callback(opened[name].close)
        yield opened


@asynccontextmanager
async def demo_keys(stage: Stage, auth: Database) -> AsyncIterator[Mapping[str, str]]:
    """Make the keys of the run as ``tenure keys create`` does; they end with the block."""
    wanted = {ADMIN: ("admin", "demo")} | {
        backend: ("usage:write", stage.source(backend))
        for backend in (Backend.SEGMENT, Backend.RUDDER)
    }
    made = {}
    async with auth.transaction() as tx:
        for name, (scope, source) in wanted.items():
            made[name] = await keys.create(tx, name=f"demo {name}", source=source, scopes=[scope])
    try:
        yield {name: key.secret for name, key in made.items()}
    finally:
        async with auth.transaction() as tx:
            for key in made.values():
                await keys.revoke(tx, key.key.id)
