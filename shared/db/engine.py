"""One engine per process, with every wait bounded."""

from typing import Any

import asyncpg
import msgspec
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# A statement that outlives these is a bug or an outage; both must become an error, not a hang.
_SERVER_SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
    "jit": "off",
}


def create_engine(url: str, *, schema: str, pool_size: int = 10) -> AsyncEngine:
    """Return an engine whose unqualified names live in ``schema``.

    ``url`` is an ordinary ``postgresql://`` URL. Waiting for a connection ends after 5 s,
    connecting after 5 s, a statement after 30 s.
    """
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        # Parameters hold personal data; errors are logged.
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            "command_timeout": 40,
            "server_settings": {
                **_SERVER_SETTINGS,
                "search_path": schema,
                "application_name": f"tenure-{schema}",
            },
        },
    )
    event.listen(engine.sync_engine, "connect", _speak_json)
    event.listen(engine.sync_engine, "handle_error", _forget_row)
    return engine


def _forget_row(context: ExceptionContext) -> None:
    """Forget the row that Postgres quotes when it refuses one: personal data, in a log."""
    error: BaseException | None = context.original_exception
    while error is not None:
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None
        error = error.__cause__


def _speak_json(dbapi_connection: Any, _record: Any) -> None:
    """Let jsonb columns take and give Python values, in both directions."""
    dbapi_connection.run_async(
        lambda connection: connection.set_type_codec(
            "jsonb",
            schema="pg_catalog",
            format="binary",
            encoder=lambda value: b"\x01" + msgspec.json.encode(value),
            decoder=lambda data: msgspec.json.decode(data[1:]),
        )
    )
