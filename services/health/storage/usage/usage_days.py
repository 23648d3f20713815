"""The day usage is counted on, and the days before it: made ahead, dropped whole when past.

All replicas count on one day at a time, the stored one, whatever their clocks say: who counts
holds the day, and who moves it on waits for them. So a day that is past never changes again.
"""

from datetime import date, datetime, timedelta

from shared.db.transaction import Transaction

IDS_KEPT = 8
"""Days for which ids of counted events are kept: seven whole ones, whatever the hour."""
_AHEAD = 2


async def hold(tx: Transaction) -> date:
    """Return the day that is counted on; it stays so until this transaction ends."""
    day: date = await tx.fetch_value("SELECT day FROM usage_today FOR SHARE")
    return day


async def move_on(tx: Transaction, *, ahead: int = 0) -> date:
    """Move to the day of this transaction, if it is a later one; return the day counted on.

    Makes the partitions of that day and of some ahead, where they are missing. Call it in a
    transaction of its own: it waits for those that count.
    """
    # First of all: who counts holds the day before the tables.
    stored: date = await tx.fetch_value("SELECT day FROM usage_today FOR UPDATE")
    day = max(stored, tx.now.date())
    for table in ("usage_ids", "usage_raw"):
        present = await _partitions(tx, table)
        for number in range(ahead + 1):
            if day + timedelta(days=number) not in present:
                await _make(tx, table, day + timedelta(days=number))
    if day != stored:
        await tx.execute("UPDATE usage_today SET day = :day", day=day)
    return day


async def make_ahead(tx: Transaction) -> None:
    """Make the partitions of the days ahead, or fail soon: who counts waits for it meanwhile."""
    wanted = {tx.now.date() + timedelta(days=number) for number in range(_AHEAD + 1)}
    present = await _partitions(tx, "usage_ids") & await _partitions(tx, "usage_raw")
    if not wanted <= present:
        await tx.execute("SET LOCAL lock_timeout = '1s'")
        await move_on(tx, ahead=_AHEAD)


async def drop_past(tx: Transaction, *, raw_days: int) -> list[str]:
    """Drop the days past their window, whole; return what was dropped. 0 keeps no raw usage."""
    await tx.execute("SET LOCAL lock_timeout = '1s'")
    today = await hold(tx)
    if today == date.min:
        return []
    first_ids = today - timedelta(days=IDS_KEPT)
    dropped = await _drop_before(tx, "usage_ids", first_ids)
    for table in ("usage_id_blocks", "usage_id_runs"):
        await tx.execute(f"DELETE FROM {table} WHERE day < :first", first=first_ids)
    first_raw = today - timedelta(days=raw_days) if raw_days else today + timedelta(days=1)
    raw = await _drop_before(tx, "usage_raw", first_raw)
    if raw or not raw_days:
        await tx.execute(
            "UPDATE usage_raw_since SET day = :first WHERE day < :first", first=first_raw
        )
    return dropped + raw


async def days_of_ids(tx: Transaction) -> set[date]:
    """Return the days that ids are kept for, those ahead included."""
    return await _partitions(tx, "usage_ids")


async def _partitions(tx: Transaction, table: str) -> set[date]:
    rows = await tx.fetch_all(
        "SELECT c.relname AS name FROM pg_inherits AS i JOIN pg_class AS c "
        "ON c.oid = i.inhrelid WHERE i.inhparent = CAST(CAST(:table AS text) AS regclass)",
        table=table,
    )
    return {_day(row["name"]) for row in rows}


async def _make(tx: Transaction, table: str, day: date) -> None:
    await tx.execute(
        f"CREATE TABLE IF NOT EXISTS {_name(table, day)} PARTITION OF {table} "
        f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    )


async def _drop_before(tx: Transaction, table: str, first: date) -> list[str]:
    past = sorted(day for day in await _partitions(tx, table) if day < first)
    for day in past:
        await tx.execute(f"DROP TABLE IF EXISTS {_name(table, day)}")
    return [_name(table, day) for day in past]


def _name(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _day(name: str) -> date:
    return datetime.strptime(name[-8:], "%Y%m%d").date()  # noqa: DTZ007 - a day, not a moment
