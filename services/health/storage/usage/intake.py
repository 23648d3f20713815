"""What could not be counted: rejected events, and events nobody knows the account of."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.health.domain.usage.arrivals import KEY_BYTES, keys_of
from shared.auth.keys import masked
from shared.db.transaction import Row, Transaction

_REJECTIONS_WANTED = (
    "(CAST(:source AS text) IS NULL OR source = :source) "
    "AND (CAST(:code AS text) IS NULL OR code = :code) "
    "AND (CAST(:since AS timestamptz) IS NULL OR received_at >= :since) "
)
_WAITING_WANTED = (
    "(CAST(:source AS text) IS NULL OR source = :source) "
    "AND (CAST(:user_id AS text) IS NULL OR user_id = :user_id) "
)
_FORGOTTEN_AT_ONCE = 5_000


class Rejection(NamedTuple):
    """An event that was refused, as it was sent, and what its sender should do."""

    source: str
    event_id: str | None
    code: str
    message: str
    raw: str
    received_at: datetime


class Waiting(NamedTuple):
    """An event that waits for somebody to say whose it is."""

    source: str
    event_id: str
    user_id: str | None
    event: dict[str, Any]


class Membership(NamedTuple):
    """A user who belongs to an account."""

    account_id: str
    user_id: str


class Wanted(NamedTuple):
    """Which rejections are asked for; None asks for any."""

    source: str | None = None
    code: str | None = None
    since: datetime | None = None


async def add_rejections(tx: Transaction, rejections: Sequence[Rejection]) -> None:
    """Keep rejections; the same event refused again, with the same content, is one rejection.

    SDKs put their write key beside an event, and whoever reads rejections may not write.
    """
    if not rejections:
        return
    rows = sorted(rejections, key=_one_order)
    await tx.execute(
        "INSERT INTO rejections (source, event_id, code, message, raw, received_at) "
        "SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:event_ids AS text[]), "
        "CAST(:codes AS text[]), CAST(:messages AS text[]), CAST(:raws AS text[]), "
        "CAST(:received AS timestamptz[])) ON CONFLICT DO NOTHING",
        sources=[row.source for row in rows],
        event_ids=[row.event_id for row in rows],
        codes=[row.code for row in rows],
        messages=[masked(row.message) for row in rows],
        raws=[masked(row.raw) for row in rows],
        received=[row.received_at for row in rows],
    )


async def rejections(
    tx: Transaction, *, before: int | None, limit: int, wanted: Wanted
) -> Sequence[Row]:
    """Return rejections, newest first."""
    return await tx.fetch_all(
        "SELECT * FROM rejections WHERE (CAST(:before AS bigint) IS NULL OR id < :before) AND "
        f"{_REJECTIONS_WANTED} ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
        **wanted._asdict(),
    )


async def count_rejections(tx: Transaction, wanted: Wanted) -> Sequence[Row]:
    """Return how many rejections there are of each source and code, the most first."""
    return await tx.fetch_all(
        "SELECT source, code, count(*) AS events, max(received_at) AS last_received_at "
        f"FROM rejections WHERE {_REJECTIONS_WANTED} GROUP BY source, code "
        "ORDER BY events DESC, source, code",
        **wanted._asdict(),
    )


async def add_unattributed(tx: Transaction, waiting: Sequence[Waiting]) -> None:
    """Keep events whose account is not known; one that waits already stays as it is."""
    if not waiting:
        return
    rows = sorted(waiting, key=_one_order)
    await tx.execute(
        "INSERT INTO unattributed (source, event_id, user_id, event, key, received_at) "
        "SELECT e.*, :now FROM unnest(CAST(:sources AS text[]), CAST(:event_ids AS text[]), "
        "CAST(:user_ids AS text[]), CAST(:events AS jsonb[]), CAST(:keys AS bytea[])) AS e "
        "ON CONFLICT DO NOTHING",
        sources=[row.source for row in rows],
        event_ids=[row.event_id for row in rows],
        user_ids=[row.user_id for row in rows],
        events=[row.event for row in rows],
        keys=[key for row in rows for key in keys_of(row.source, [row.event_id])],
        now=tx.now,
    )


async def unattributed(
    tx: Transaction,
    *,
    limit: int,
    before: int | None = None,
    user_id: str | None = None,
    source: str | None = None,
) -> Sequence[Row]:
    """Return events without an account, newest first."""
    return await tx.fetch_all(
        "SELECT * FROM unattributed WHERE (CAST(:before AS bigint) IS NULL OR id < :before) AND "
        f"{_WAITING_WANTED} ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
        user_id=user_id,
        source=source,
    )


async def waiting(tx: Transaction, ids: Sequence[int]) -> Sequence[Row]:
    """Return the events of these ids that still wait."""
    return await tx.fetch_all(
        "SELECT * FROM unattributed WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id",
        ids=list(ids),
    )


async def count_unattributed(
    tx: Transaction, *, user_id: str | None, source: str | None
) -> Mapping[str, Any]:
    """Return how many events wait, of how many users, and since when."""
    row = await tx.fetch_one(
        "SELECT count(*) AS events, count(DISTINCT user_id) AS users, "
        f"min(received_at) AS oldest_at FROM unattributed WHERE {_WAITING_WANTED}",
        user_id=user_id,
        source=source,
    )
    return dict(row) if row else {"events": 0, "users": 0, "oldest_at": None}


async def remove_unattributed(tx: Transaction, ids: Sequence[int]) -> None:
    """Forget events that now have an account."""
    await tx.execute(
        "DELETE FROM unattributed WHERE id = ANY(CAST(:ids AS bigint[]))", ids=list(ids)
    )


async def forget_counted(tx: Transaction, keys: bytes) -> None:
    """Forget events that wait for an account and were counted: they were sent again with one.

    ``keys`` are those of counted events, one after the other. Attributed after these are
    forgotten, such an event would count twice.
    """
    if not keys or not await tx.fetch_value("SELECT EXISTS (SELECT 1 FROM unattributed)"):
        return
    await tx.execute(
        "DELETE FROM unattributed WHERE key = ANY(ARRAY(SELECT substr(CAST(:keys AS bytea), "
        "n * :size + 1, :size) FROM generate_series(0, CAST(:last AS int)) AS n))",
        keys=keys,
        size=KEY_BYTES,
        last=len(keys) // KEY_BYTES - 1,
    )


async def forget_before(tx: Transaction, moment: datetime) -> bool:
    """Forget events and signals of nobody that came in before; tell whether there may be more.

    Some at a time.
    """
    forgotten = [
        await tx.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE received_at < :moment "
            "ORDER BY received_at LIMIT :most)",
            moment=moment,
            most=_FORGOTTEN_AT_ONCE,
        )
        for table in ("rejections", "unattributed", "unmatched_signals")
    ]
    return max(forgotten) == _FORGOTTEN_AT_ONCE


async def join_all(tx: Transaction, memberships: Collection[Membership]) -> None:
    """Remember that users belong to accounts."""
    if not memberships:
        return
    rows = sorted(memberships)
    await tx.execute(
        "INSERT INTO memberships (account_id, user_id, since) "
        "SELECT a, u, :now FROM unnest(CAST(:accounts AS text[]), CAST(:users AS text[])) "
        "AS e(a, u) ON CONFLICT DO NOTHING",
        accounts=[row.account_id for row in rows],
        users=[row.user_id for row in rows],
        now=tx.now,
    )


async def accounts_of(tx: Transaction, user_ids: Sequence[str]) -> dict[str, set[str]]:
    """Return the accounts that users belong to; who belongs to none is left out."""
    if not user_ids:
        return {}
    rows = await tx.fetch_all(
        "SELECT user_id, account_id FROM memberships "
        "WHERE user_id = ANY(CAST(:user_ids AS text[]))",
        user_ids=list(user_ids),
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["user_id"], set()).add(row["account_id"])
    return found


def _one_order(event: Rejection | Waiting) -> tuple[str, bool, str]:
    """Return the order in which rows are taken, so that requests never wait in a circle."""
    return event.source, event.event_id is None, event.event_id or ""
