"""Usage counts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from services.health.domain.usage.counting import Cell, Cells, Counts, Standing, SumCell
from services.health.storage.account.accounts import PeerGroup
from shared.db.transaction import Transaction

_SEPARATOR = "\x1f"
"""Stands in no account id, name or user id: they are printable (`domain.usage.event`)."""

SCORED_AFTER_USAGE = timedelta(seconds=5)
"""How long a known account's usage gathers before it is scored again: it may come all day."""

_COLUMN = {"usage_daily": "name", "usage_users": "user_id"}
"""What a table counts by, beside account and day."""


async def groups(tx: Transaction, account_ids: Iterable[str]) -> Mapping[str, PeerGroup]:
    """Return the peer groups of the accounts that are known."""
    rows = await tx.fetch_all(
        "SELECT account_id, segment, time_zone FROM accounts "
        "WHERE account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    return {row["account_id"]: PeerGroup(row["segment"], row["time_zone"]) for row in rows}


async def add(tx: Transaction, counts: Counts, stands: Mapping[str, Standing]) -> None:
    """Add a batch's counts; rows are taken in key order, so that batches cannot deadlock.

    The account rows come first: their lock keeps a day from being sealed between a count and
    the note that it came late.
    """
    touched = [(each, day, stands[each]) for each, day in sorted(counts.first_days.items())]
    await _touch_accounts(tx, touched)
    if any(stand.is_backfilled for _, _, stand in touched):
        await _note_backfill(tx)
    await _add_rows(tx, "usage_daily", counts.events)
    await _add_rows(tx, "usage_users", counts.users)
    await _add_sums(tx, counts.sums)


async def counts_since(
    tx: Transaction, table: str, first: date, account_id: str | None = None
) -> Mapping[Cell, int]:
    """Return the counts of a table from a day on, of one account or of all."""
    rows = await tx.fetch_all(
        f"SELECT account_id, day, {_COLUMN[table]} AS what, n FROM {table} WHERE day >= :first "
        "AND (CAST(:account_id AS text) IS NULL OR account_id = :account_id)",
        first=first,
        account_id=account_id,
    )
    return {(row["account_id"], row["day"], row["what"]): row["n"] for row in rows}


async def last_backfill(tx: Transaction) -> datetime | None:
    """Return when a back-filled event was counted last."""
    at: datetime | None = await tx.fetch_value("SELECT at FROM backfills")
    return at


async def add_milestone_users(
    tx: Transaction, milestone: str, users: Iterable[tuple[str, str]]
) -> Mapping[str, int]:
    """Note (account, user) pairs that did a milestone's event; return distinct users so far.

    Accounts that reached the milestone before are left out.
    """
    pairs = sorted(set(users))
    accounts = [account for account, _ in pairs]
    await tx.execute(
        "INSERT INTO milestone_users (account_id, milestone, user_id) "
        "SELECT a, :milestone, u FROM unnest(CAST(:accounts AS text[]), CAST(:users AS text[])) "
        "AS p(a, u) ON CONFLICT DO NOTHING",
        milestone=milestone,
        accounts=accounts,
        users=[user for _, user in pairs],
    )
    rows = await tx.fetch_all(
        "SELECT account_id, count(*) AS users FROM milestone_users AS u "
        "WHERE milestone = :milestone AND account_id = ANY(CAST(:accounts AS text[])) "
        "AND NOT EXISTS (SELECT 1 FROM milestones AS m WHERE m.account_id = u.account_id "
        "AND m.milestone = :milestone) GROUP BY account_id",
        milestone=milestone,
        accounts=accounts,
    )
    return {row["account_id"]: row["users"] for row in rows}


async def reached(tx: Transaction, milestone: str, account_ids: Iterable[str]) -> set[str]:
    """Return which of some accounts reached a milestone before."""
    rows = await tx.fetch_all(
        "SELECT account_id FROM milestones WHERE milestone = :milestone "
        "AND account_id = ANY(CAST(:account_ids AS text[]))",
        milestone=milestone,
        account_ids=list(account_ids),
    )
    return {row["account_id"] for row in rows}


async def reach_milestone(tx: Transaction, account_ids: Sequence[str], milestone: str) -> None:
    """Remember that accounts reached a milestone."""
    await tx.execute(
        "INSERT INTO milestones (account_id, milestone, reached_at) "
        "SELECT a, :milestone, :now FROM unnest(CAST(:account_ids AS text[])) AS a",
        account_ids=list(account_ids),
        milestone=milestone,
        now=tx.now,
    )


def _list(parameter: str) -> str:
    """Return the SQL of a list that travels as one text.

    Thousands of elements: the driver would look at each of an array.
    """
    return f"string_to_array(CAST(:{parameter} AS text), chr(31))"


async def _note_backfill(tx: Transaction) -> None:
    await tx.execute(
        "INSERT INTO backfills (is_only, at) VALUES (true, :now) "
        "ON CONFLICT (is_only) DO UPDATE SET at = greatest(backfills.at, EXCLUDED.at)",
        now=tx.now,
    )


async def _touch_accounts(tx: Transaction, rows: Sequence[tuple[str, date, Standing]]) -> None:
    await tx.execute(
        "INSERT INTO accounts AS a (account_id, first_seen_at, last_active_at, first_day, "
        "rescore_at, caused_at, backfilled_at) "
        "SELECT e.account_id, :now, e.last_active_at, e.first_day, :now, e.received_at, "
        "CASE WHEN e.is_backfilled THEN CAST(:now AS timestamptz) END "
        "FROM unnest(CAST(:ids AS text[]), CAST(:last AS timestamptz[]), CAST(:days AS date[]), "
        "CAST(:received AS timestamptz[]), CAST(:backfilled AS boolean[])) "
        "AS e(account_id, last_active_at, first_day, received_at, is_backfilled) "
        "ON CONFLICT (account_id) DO UPDATE SET "
        "last_active_at = greatest(a.last_active_at, EXCLUDED.last_active_at), "
        "first_day = least(a.first_day, EXCLUDED.first_day), "
        "dirty_from = CASE WHEN EXCLUDED.first_day <= a.sealed_through "
        "THEN least(a.dirty_from, EXCLUDED.first_day) ELSE a.dirty_from END, "
        "rescore_at = coalesce(a.rescore_at, EXCLUDED.rescore_at + CAST(:debounce AS interval)), "
        "caused_at = greatest(a.caused_at, EXCLUDED.caused_at), "
        "backfilled_at = coalesce(EXCLUDED.backfilled_at, a.backfilled_at)",
        now=tx.now,
        debounce=SCORED_AFTER_USAGE,
        ids=[account_id for account_id, _, _ in rows],
        last=[stand.last_active_at for _, _, stand in rows],
        days=[first_day for _, first_day, _ in rows],
        received=[stand.received_at for _, _, stand in rows],
        backfilled=[stand.is_backfilled for _, _, stand in rows],
    )


async def _add_rows(tx: Transaction, table: str, cells: Cells) -> None:
    column = _COLUMN[table]
    if not cells.events:
        return
    days = {day: day.isoformat() for day in set(cells.days)}
    await tx.execute(
        f"INSERT INTO {table} AS t (account_id, day, {column}, n) "
        f"SELECT * FROM unnest({_list('ids')}, CAST({_list('days')} AS date[]), "
        f"{_list('names')}, CAST({_list('ns')} AS bigint[])) "
        f"ON CONFLICT (account_id, day, {column}) DO UPDATE SET n = t.n + EXCLUDED.n",
        ids=_SEPARATOR.join(cells.accounts),
        days=_SEPARATOR.join([days[day] for day in cells.days]),
        names=_SEPARATOR.join(cells.labels),
        ns=_SEPARATOR.join(map(str, cells.events)),
    )


async def _add_sums(tx: Transaction, sums: Mapping[SumCell, tuple[float, int]]) -> None:
    rows = sorted(sums.items())
    if not rows:
        return
    await tx.execute(
        "INSERT INTO usage_sums AS t (account_id, day, name, property, total, n) "
        "SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:days AS date[]), "
        "CAST(:names AS text[]), CAST(:properties AS text[]), CAST(:totals AS float8[]), "
        "CAST(:ns AS bigint[])) ON CONFLICT (account_id, day, name, property) "
        "DO UPDATE SET total = t.total + EXCLUDED.total, n = t.n + EXCLUDED.n",
        ids=[cell[0] for cell, _ in rows],
        days=[cell[1] for cell, _ in rows],
        names=[cell[2] for cell, _ in rows],
        properties=[cell[3] for cell, _ in rows],
        totals=[total for _, (total, _) in rows],
        ns=[n for _, (_, n) in rows],
    )
