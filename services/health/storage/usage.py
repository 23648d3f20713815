"""Usage counts, and the ids that make them exact."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from services.health.domain.usage.counting import Arrival, Counts
from shared.db.transaction import Transaction

DAYS_KEPT = 8
_DAYS_AHEAD = 2


async def claim(tx: Transaction, arrivals: Sequence[Arrival]) -> set[UUID]:
    """Remember events by (source, id); return the keys that were not known before.

    Ids are kept by the day they were received on and looked for in all days that are kept, so
    an event sent again counts once whatever its event time says.
    """
    # Each key is one index probe per kept day; a hash join would read those days whole.
    for method in ("hashjoin", "mergejoin", "seqscan"):
        await tx.execute(f"SET LOCAL enable_{method} = off")
    first, last = _kept_days(tx.now)
    rows = await tx.fetch_all(
        "INSERT INTO usage_ids (day, key) "
        "SELECT e.day, e.key FROM unnest(CAST(:days AS date[]), CAST(:keys AS uuid[])) "
        "AS e(day, key) "
        "WHERE NOT EXISTS (SELECT 1 FROM usage_ids AS u WHERE u.key = e.key) "
        "ORDER BY e.key ON CONFLICT DO NOTHING RETURNING key",
        days=[min(last, max(first, a.received_at.date())) for a in arrivals],
        keys=[a.key for a in arrivals],
    )
    return {row["key"] for row in rows}


async def prepare_days(tx: Transaction) -> None:
    """Make the partitions of the days ahead, and drop those past the window, whole."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('usage_ids'))")
    first, last = _kept_days(tx.now)
    present = {
        row["name"]
        for row in await tx.fetch_all(
            "SELECT c.relname AS name FROM pg_inherits AS i JOIN pg_class AS c "
            "ON c.oid = i.inhrelid WHERE i.inhparent = CAST('usage_ids' AS regclass)"
        )
    }
    wanted = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for day in wanted:
        if _partition(day) not in present:
            await tx.execute(
                f"CREATE TABLE IF NOT EXISTS {_partition(day)} PARTITION OF usage_ids "
                f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            )
    for name in sorted(present - {_partition(day) for day in wanted}):
        await tx.execute(f"DROP TABLE {name}")


async def zones(tx: Transaction, account_ids: Iterable[str]) -> Mapping[str, str]:
    """Return the time zones of the accounts that are known."""
    rows = await tx.fetch_all(
        "SELECT account_id, time_zone FROM accounts "
        "WHERE account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    return {row["account_id"]: row["time_zone"] for row in rows}


async def add(tx: Transaction, counts: Counts) -> None:
    """Add a batch's counts; rows are taken in key order, so that batches cannot deadlock.

    The account rows come first: their lock keeps a day from being sealed between a count and
    the note that it came late.
    """
    await _touch_accounts(tx, counts)
    if any(delta.is_backfilled for delta in counts.accounts.values()):
        await _note_backfill(tx)
    await _add_rows(tx, "usage_daily", "name", counts.events)
    await _add_rows(tx, "usage_users", "user_id", counts.users)


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


async def reach_milestone(tx: Transaction, account_id: str, milestone: str) -> None:
    """Remember that an account reached a milestone."""
    await tx.execute(
        "INSERT INTO milestones (account_id, milestone, reached_at) "
        "VALUES (:account_id, :milestone, :now)",
        account_id=account_id,
        milestone=milestone,
        now=tx.now,
    )


def _kept_days(now: datetime) -> tuple[date, date]:
    today = now.date()
    return today - timedelta(days=DAYS_KEPT), today + timedelta(days=_DAYS_AHEAD)


def _partition(day: date) -> str:
    return f"usage_ids_{day:%Y%m%d}"


async def _note_backfill(tx: Transaction) -> None:
    await tx.execute(
        "INSERT INTO backfills (is_only, at) VALUES (true, :now) "
        "ON CONFLICT (is_only) DO UPDATE SET at = greatest(backfills.at, EXCLUDED.at)",
        now=tx.now,
    )


async def _touch_accounts(tx: Transaction, counts: Counts) -> None:
    rows = sorted(counts.accounts.items())
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
        "rescore_at = coalesce(a.rescore_at, EXCLUDED.rescore_at), "
        "caused_at = greatest(a.caused_at, EXCLUDED.caused_at), "
        "backfilled_at = coalesce(EXCLUDED.backfilled_at, a.backfilled_at)",
        now=tx.now,
        ids=[account_id for account_id, _ in rows],
        last=[delta.last_active_at for _, delta in rows],
        days=[delta.first_day for _, delta in rows],
        received=[delta.received_at for _, delta in rows],
        backfilled=[delta.is_backfilled for _, delta in rows],
    )


async def _add_rows(
    tx: Transaction, table: str, column: str, counts: Mapping[tuple[str, date, str], int]
) -> None:
    rows = sorted(counts.items())
    if not rows:
        return
    await tx.execute(
        f"INSERT INTO {table} AS t (account_id, day, {column}, n) "
        "SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:days AS date[]), "
        "CAST(:names AS text[]), CAST(:ns AS bigint[])) "
        f"ON CONFLICT (account_id, day, {column}) DO UPDATE SET n = t.n + EXCLUDED.n",
        ids=[key[0] for key, _ in rows],
        days=[key[1] for key, _ in rows],
        names=[key[2] for key, _ in rows],
        ns=[n for _, n in rows],
    )
