"""Accounts as health knows them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import RowMapping

from shared.db.transaction import Transaction

DEFAULT_SEGMENT = "smb"
"""The segment of an account that nobody told us of."""
_MEMBER = (
    "account_id, first_seen_at, last_active_at, first_day, sealed_through, dirty_from, "
    "backfilled_at"
)


class Member(NamedTuple):
    """An account of a peer group, and how far its days are sealed."""

    account_id: str
    first_seen_at: datetime
    last_active_at: datetime
    first_day: date
    sealed_through: date | None
    dirty_from: date | None
    backfilled_at: datetime | None


class PeerGroup(NamedTuple):
    """Accounts whose days begin and end together: one segment in one time zone."""

    segment: str
    time_zone: str


async def upsert(tx: Transaction, account_id: str, segment: str, time_zone: str) -> None:
    """Note an account's segment and time zone; with others it is judged again and scored."""
    await tx.execute(
        "INSERT INTO accounts AS a (account_id, segment, time_zone, first_seen_at, rescore_at) "
        "VALUES (:account_id, :segment, :time_zone, :now, :now) "
        "ON CONFLICT (account_id) DO UPDATE SET segment = EXCLUDED.segment, "
        "time_zone = EXCLUDED.time_zone, dirty_from = CASE WHEN a.sealed_through IS NOT NULL "
        "AND (a.segment, a.time_zone) <> (EXCLUDED.segment, EXCLUDED.time_zone) "
        "THEN a.first_day ELSE a.dirty_from END, rescore_at = coalesce(a.rescore_at, CASE WHEN "
        "(a.segment, a.time_zone) <> (EXCLUDED.segment, EXCLUDED.time_zone) THEN :now END)",
        account_id=account_id,
        segment=segment,
        time_zone=time_zone,
        now=tx.now,
    )


async def ensure(tx: Transaction, account_id: str, caused_at: datetime) -> None:
    """Make sure an account is known, and have it scored again."""
    await tx.execute(
        "INSERT INTO accounts (account_id, first_seen_at, rescore_at, caused_at) "
        "VALUES (:account_id, :now, :now, :caused_at) ON CONFLICT (account_id) DO UPDATE "
        "SET rescore_at = least(accounts.rescore_at, :now), "
        "caused_at = greatest(accounts.caused_at, :caused_at)",
        account_id=account_id,
        now=tx.now,
        caused_at=caused_at,
    )


async def get(tx: Transaction, account_id: str) -> RowMapping | None:
    """Return an account's row."""
    return await tx.fetch_one(
        "SELECT * FROM accounts WHERE account_id = :account_id", account_id=account_id
    )


async def segments(tx: Transaction, account_ids: Sequence[str]) -> Mapping[str, str]:
    """Return the segments of the accounts that are known."""
    rows = await tx.fetch_all(
        "SELECT account_id, segment FROM accounts "
        "WHERE account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    return {row["account_id"]: row["segment"] for row in rows}


async def segments_in_use(tx: Transaction, named: Sequence[str]) -> frozenset[str]:
    """Return those of these segments that some account is in."""
    rows = await tx.fetch_all(
        "SELECT named.segment FROM unnest(CAST(:named AS text[])) AS named (segment) "
        "WHERE EXISTS (SELECT FROM accounts AS a WHERE a.segment = named.segment)",
        named=list(named),
    )
    return frozenset(row["segment"] for row in rows)


async def peer_groups(tx: Transaction) -> Sequence[PeerGroup]:
    """Return the peer groups that have usage."""
    rows = await tx.fetch_all(
        "SELECT segment, time_zone FROM accounts WHERE first_day IS NOT NULL "
        "GROUP BY segment, time_zone ORDER BY segment, time_zone"
    )
    return [PeerGroup(row["segment"], row["time_zone"]) for row in rows]


async def live_since(tx: Transaction) -> datetime | None:
    """Return when the first account was seen."""
    at: datetime | None = await tx.fetch_value("SELECT min(first_seen_at) FROM accounts")
    return at


async def count_dirty(tx: Transaction) -> int:
    """Return how many accounts have events for days that are sealed."""
    return int(await tx.fetch_value("SELECT count(*) FROM accounts WHERE dirty_from IS NOT NULL"))


async def count_unsealed(tx: Transaction) -> int:
    """Return how many accounts have usage and no sealed day yet."""
    return int(
        await tx.fetch_value(
            "SELECT count(*) FROM accounts WHERE first_day IS NOT NULL AND sealed_through IS NULL"
        )
    )


async def voters(tx: Transaction, group: PeerGroup, through: date | None) -> Sequence[Member]:
    """Return the accounts of a group that stand where the group does, or begin after it."""
    rows = await tx.fetch_tuples(
        f"SELECT {_MEMBER} FROM accounts WHERE segment = :segment AND time_zone = :time_zone "
        "AND first_day IS NOT NULL AND (CAST(:through AS date) IS NULL "
        "OR (sealed_through = :through AND dirty_from IS NULL) "
        "OR (sealed_through IS NULL AND first_day > :through)) ORDER BY account_id",
        through=through,
        **group._asdict(),
    )
    return [Member(*row) for row in rows]


async def lagging(
    tx: Transaction, group: PeerGroup, through: date, page: tuple[str, int], *, wait: bool
) -> Sequence[Member]:
    """Return the next accounts that are behind their group, or dirty, and lock them.

    ``page``: after which account id, and how many. Usage of these accounts waits until the
    transaction ends. Accounts that somebody else holds are left out unless ``wait``.
    """
    rows = await tx.fetch_tuples(
        f"SELECT {_MEMBER} FROM accounts WHERE segment = :segment AND time_zone = :time_zone "
        "AND first_day <= :through AND account_id > :after AND (sealed_through IS NULL "
        "OR sealed_through < :through OR dirty_from IS NOT NULL) ORDER BY account_id "
        f"LIMIT :limit FOR NO KEY UPDATE{'' if wait else ' SKIP LOCKED'}",
        through=through,
        after=page[0],
        limit=page[1],
        **group._asdict(),
    )
    return [Member(*row) for row in rows]


async def first_seen(
    tx: Transaction, group: PeerGroup, filled_since: datetime | None
) -> datetime | None:
    """Return when the first account of a group was seen that no back-fill is under way for."""
    at: datetime | None = await tx.fetch_value(
        "SELECT min(first_seen_at) FROM accounts WHERE segment = :segment "
        "AND time_zone = :time_zone AND first_day IS NOT NULL "
        "AND (CAST(:since AS timestamptz) IS NULL OR backfilled_at IS NULL "
        "OR backfilled_at < :since)",
        since=filled_since,
        **group._asdict(),
    )
    return at


async def mark_dirty(
    tx: Transaction, since: date, *, account_id: str | None = None, segment: str | None = None
) -> None:
    """Have sealed days judged again: of an account, of a segment, or of everybody."""
    await tx.execute(
        "UPDATE accounts SET dirty_from = least(dirty_from, greatest(first_day, :since)) "
        "WHERE sealed_through >= :since "
        "AND (CAST(:account_id AS text) IS NULL OR account_id = :account_id) "
        "AND (CAST(:segment AS text) IS NULL OR segment = :segment)",
        since=since,
        account_id=account_id,
        segment=segment,
    )


async def rejudge(tx: Transaction, group: PeerGroup) -> None:
    """Have all days of a group judged again."""
    await tx.execute(
        "UPDATE accounts SET dirty_from = first_day WHERE segment = :segment "
        "AND time_zone = :time_zone AND sealed_through IS NOT NULL",
        **group._asdict(),
    )


async def mark_sealed(
    tx: Transaction, account_ids: Sequence[str], through: date, caused_at: datetime
) -> None:
    """Note that these accounts' days are sealed through a day, and have them scored again."""
    await tx.execute(
        "UPDATE accounts SET sealed_through = :through, dirty_from = NULL, rescore_at = :now, "
        "caused_at = :caused_at WHERE account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
        through=through,
        now=tx.now,
        caused_at=caused_at,
    )


async def due_for_rescore(tx: Transaction, limit: int) -> Sequence[str]:
    """Return the accounts whose score is to be computed again, those that wait longest first."""
    rows = await tx.fetch_all(
        "SELECT account_id FROM accounts WHERE rescore_at <= :now ORDER BY rescore_at LIMIT :limit",
        now=tx.now,
        limit=limit,
    )
    return [row["account_id"] for row in rows]


async def postpone_rescore(tx: Transaction, account_id: str, until: datetime) -> None:
    """Have the score of an account computed later."""
    await tx.execute(
        "UPDATE accounts SET rescore_at = :until WHERE account_id = :account_id",
        account_id=account_id,
        until=until,
    )


async def claim_rescore(
    tx: Transaction, limit: int, *, only: str | None = None
) -> Sequence[RowMapping]:
    """Return accounts whose score is to be computed again; other replicas skip them."""
    return await tx.fetch_all(
        "UPDATE accounts SET rescore_at = NULL WHERE account_id IN ("
        "SELECT account_id FROM accounts WHERE rescore_at <= :now "
        "AND (CAST(:only AS text) IS NULL OR account_id = :only) ORDER BY rescore_at "
        "LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING *",
        now=tx.now,
        limit=limit,
        only=only,
    )


async def score_again(tx: Transaction, account_ids: Sequence[str]) -> None:
    """Have accounts scored again; they are locked in the order in which usage locks them."""
    await tx.execute(
        "WITH n AS (SELECT account_id FROM accounts WHERE account_id = "
        "ANY(CAST(:account_ids AS text[])) ORDER BY account_id FOR UPDATE) "
        "UPDATE accounts AS a SET rescore_at = coalesce(a.rescore_at, :now) FROM n "
        "WHERE a.account_id = n.account_id",
        account_ids=list(account_ids),
        now=tx.now,
    )


async def refresh_stale(tx: Transaction, before: datetime, limit: int) -> int:
    """Have accounts scored again whose score is older than a moment; return how many."""
    return await tx.execute(
        "UPDATE accounts AS a SET rescore_at = :now FROM (SELECT account_id FROM current_scores "
        "WHERE at <= :before ORDER BY at LIMIT :limit) AS s "
        "WHERE a.account_id = s.account_id AND a.rescore_at IS NULL",
        now=tx.now,
        before=before,
        limit=limit,
    )
