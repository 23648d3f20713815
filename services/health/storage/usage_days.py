"""The days of usage: made ahead, closed to new ids, and dropped whole past their window."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy.exc import IntegrityError

from shared.db.transaction import Transaction

IDS_KEPT = 8
"""Days for which ids of counted events are kept: seven whole ones, whatever the hour."""
_AHEAD = 2
_CLOSED_AFTER = 2
"""Replicas may disagree by a day about what day it is before one of them is refused."""
_CONSTRAINT = "usage_ids_closed"


async def prepare(tx: Transaction) -> None:
    """Make the partitions of today and the days ahead where they are missing."""
    await _lock(tx)
    # A day that was closed while it did not exist stays missing: no id can come into it either.
    await _make_ahead(tx, "usage_ids", after=max(await closed_days(tx), default=date.min))
    await _make_ahead(tx, "usage_raw", after=date.min)


async def drop_past(tx: Transaction, *, raw_days: int) -> list[str]:
    """Drop the days past their window, whole; return what was dropped. 0 keeps no raw usage."""
    await _lock(tx)
    today = tx.now.date()
    first_raw = today - timedelta(days=raw_days) if raw_days else today + timedelta(days=_AHEAD)
    dropped = await _drop_before(tx, "usage_ids", today - timedelta(days=IDS_KEPT))
    raw = await _drop_before(tx, "usage_raw", first_raw) if raw_days else []
    if raw or not raw_days:
        await tx.execute(
            "UPDATE usage_raw_since SET day = :first WHERE day < :first", first=first_raw
        )
    await tx.execute(
        "DELETE FROM usage_closed WHERE day < :first", first=today - timedelta(days=IDS_KEPT)
    )
    return dropped + raw


async def close_past(tx: Transaction) -> list[date]:
    """Close days that no replica counts on any more: from now on no id can be added to them.

    The database itself refuses, whatever a replica's clock says; so what was read of a closed
    day stays true.
    """
    await _lock(tx)
    closed = set(await closed_days(tx))
    last = tx.now.date() - timedelta(days=_CLOSED_AFTER)
    found = sorted(day for day in await _partitions(tx, "usage_ids") if day <= last)
    for day in (day for day in found if day not in closed):
        # The rows that are there stay as they are; only new ones are checked.
        await tx.execute(
            f"ALTER TABLE {_name('usage_ids', day)} ADD CONSTRAINT {_CONSTRAINT} "
            "CHECK (false) NOT VALID"
        )
        await tx.execute(
            "INSERT INTO usage_closed (day, ids) "
            f"SELECT :day, count(*) FROM {_name('usage_ids', day)}",
            day=day,
        )
    return [day for day in found if day not in closed]


async def closed_days(tx: Transaction) -> Mapping[date, int]:
    """Return the closed days that are kept, and how many ids each has."""
    rows = await tx.fetch_all("SELECT day, ids FROM usage_closed ORDER BY day")
    return {row["day"]: row["ids"] for row in rows}


def is_closed(error: Exception) -> bool:
    """Tell whether an error is that of adding to a day that is closed, or gone."""
    said = str(error.orig) if isinstance(error, IntegrityError) else ""
    return _CONSTRAINT in said or "no partition of relation" in said


async def _lock(tx: Transaction) -> None:
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('usage_ids'))")


async def _partitions(tx: Transaction, table: str) -> set[date]:
    rows = await tx.fetch_all(
        "SELECT c.relname AS name FROM pg_inherits AS i JOIN pg_class AS c "
        "ON c.oid = i.inhrelid WHERE i.inhparent = CAST(CAST(:table AS text) AS regclass)",
        table=table,
    )
    return {_day(row["name"]) for row in rows}


async def _make_ahead(tx: Transaction, table: str, *, after: date) -> None:
    present = await _partitions(tx, table)
    for ahead in range(-1, _AHEAD + 1):
        day = tx.now.date() + timedelta(days=ahead)
        if day not in present and day > after:
            await tx.execute(
                f"CREATE TABLE IF NOT EXISTS {_name(table, day)} PARTITION OF {table} "
                f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            )


async def _drop_before(tx: Transaction, table: str, first: date) -> list[str]:
    past = sorted(day for day in await _partitions(tx, table) if day < first)
    for day in past:
        await tx.execute(f"DROP TABLE {_name(table, day)}")
    return [_name(table, day) for day in past]


def _name(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _day(name: str) -> date:
    return datetime.strptime(name[-8:], "%Y%m%d").date()  # noqa: DTZ007 - a day, not a moment
