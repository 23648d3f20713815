"""User ids that a backend says are one person."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from shared.db.transaction import Row, Transaction


class Alias(NamedTuple):
    """Two ids that are one person, and who says so."""

    previous_id: str
    user_id: str
    source: str


async def add_all(tx: Transaction, aliases: Collection[Alias]) -> None:
    """Remember that ids are one person; saying it again changes nothing."""
    if not aliases:
        return
    # In one order everywhere, so that requests wait for each other and never in a circle.
    rows = sorted(aliases)
    await tx.execute(
        "INSERT INTO user_aliases (previous_id, user_id, source, requested_at) "
        "SELECT e.*, :now FROM unnest(CAST(:previous AS text[]), CAST(:users AS text[]), "
        "CAST(:sources AS text[])) AS e ON CONFLICT DO NOTHING",
        previous=[row.previous_id for row in rows],
        users=[row.user_id for row in rows],
        sources=[row.source for row in rows],
        now=tx.now,
    )


async def of(tx: Transaction, user_ids: Sequence[str]) -> Mapping[str, set[str]]:
    """Return the other ids of users, in either direction; who has none is left out."""
    if not user_ids:
        return {}
    rows = await tx.fetch_all(
        "SELECT previous_id AS user_id, user_id AS other FROM user_aliases "
        "WHERE previous_id = ANY(CAST(:user_ids AS text[])) "
        "UNION SELECT user_id, previous_id FROM user_aliases "
        "WHERE user_id = ANY(CAST(:user_ids AS text[]))",
        user_ids=list(user_ids),
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["user_id"], set()).add(row["other"])
    return found


async def listed(
    tx: Transaction, *, before: int | None, limit: int, user_id: str | None
) -> Sequence[Row]:
    """Return aliases, newest first; of one user when asked, whichever of the two ids it is."""
    return await tx.fetch_all(
        "SELECT * FROM user_aliases WHERE (CAST(:before AS bigint) IS NULL OR id < :before) "
        "AND (CAST(:user_id AS text) IS NULL OR :user_id IN (previous_id, user_id)) "
        "ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
        user_id=user_id,
    )
