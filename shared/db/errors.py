"""Which database errors mean "not now" rather than "wrong"."""

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_TRANSIENT_STATES = ("08", "40", "53", "55", "57", "58")
"""SQLSTATE classes: connection, rollback, resources, lock, operator intervention, system."""


def refusal_of(error: BaseException) -> str | None:
    """Return what the database says is wrong; None for an error that is not the database's.

    Without the statement: it may hold a password.
    """
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else error
    return str(cause) if isinstance(cause, asyncpg.PostgresError) else None


def is_unavailable(error: BaseException) -> bool:
    """Tell whether trying the same transaction again later can succeed without a change."""
    if isinstance(error, (PoolTimeoutError, OperationalError, InterfaceError, OSError)):
        return True
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(_TRANSIENT_STATES)
