"""What other systems call our accounts, and the signals that wait to know it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import RowMapping

from shared.db.transaction import Transaction


class Unmatched(NamedTuple):
    """A signal that could not be recorded: of whom is not known, or its value does not fit.

    `externals` are the (system, id) pairs by which its sender names the account.
    """

    source: str
    key: str
    type: str
    value: float | str | None
    observed_at: datetime
    externals: Sequence[tuple[str, str]]
    code: str
    message: str


async def set_account(
    tx: Transaction, system: str, external_id: str, account_id: str, by: str
) -> None:
    """Say which account another system means by an id of its own."""
    await lock(tx, system, external_id)
    await tx.execute(
        "INSERT INTO external_ids (system, external_id, account_id, set_at, set_by) "
        "VALUES (:system, :external_id, :account_id, :now, :by) "
        "ON CONFLICT (system, external_id) DO UPDATE SET account_id = EXCLUDED.account_id, "
        "set_at = EXCLUDED.set_at, set_by = EXCLUDED.set_by",
        system=system,
        external_id=external_id,
        account_id=account_id,
        now=tx.now,
        by=by,
    )


async def account_of(tx: Transaction, externals: Sequence[tuple[str, str]]) -> str | None:
    """Return the account that the first known of these (system, id) pairs means.

    Until the transaction ends nobody can say what they mean: a signal that is kept because they
    are unknown is not missed by whoever names them at the same moment.
    """
    for pair in sorted(set(externals)):
        await lock(tx, *pair)
    for system, external_id in externals:
        found: str | None = await tx.fetch_value(
            "SELECT account_id FROM external_ids "
            "WHERE system = :system AND external_id = :external_id",
            system=system,
            external_id=external_id,
        )
        if found is not None:
            return found
    return None


async def lock(tx: Transaction, system: str, external_id: str) -> None:
    """Let nobody else read or say what an id means until the transaction ends."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext(:system), hashtext(:external_id))",
        system=f"external {system}",
        external_id=external_id,
    )


async def listed(
    tx: Transaction, *, system: str | None, after: tuple[str, str] | None, limit: int
) -> Sequence[RowMapping]:
    """Return what is known, by system and id."""
    return await tx.fetch_all(
        "SELECT * FROM external_ids WHERE (CAST(:system AS text) IS NULL OR system = :system) "
        "AND (CAST(:last AS text) IS NULL OR (system, external_id) > (:last, :last_id)) "
        "ORDER BY system, external_id LIMIT :limit",
        system=system,
        last=after[0] if after else None,
        last_id=after[1] if after else "",
        limit=limit,
    )


async def forget(tx: Transaction, system: str, external_id: str) -> bool:
    """Forget which account an id means; False when it was not known."""
    gone = await tx.execute(
        "DELETE FROM external_ids WHERE system = :system AND external_id = :external_id",
        system=system,
        external_id=external_id,
    )
    return gone == 1


async def keep_unmatched(tx: Transaction, unmatched: Unmatched) -> bool:
    """Keep a signal until somebody says whose it is; False when it waits already.

    One that waits because it does not fit its type makes room for a later one that may.
    """
    kept = await tx.execute(
        "INSERT INTO unmatched_signals (source, key, type, value, observed_at, received_at, "
        "externals, code, message) VALUES (:source, :key, :type, CAST(:value AS jsonb), "
        ":observed_at, :now, CAST(:externals AS jsonb), :code, :message) "
        "ON CONFLICT (source, key) DO UPDATE SET type = excluded.type, value = excluded.value, "
        "observed_at = excluded.observed_at, received_at = excluded.received_at, "
        "externals = excluded.externals, code = excluded.code, message = excluded.message "
        "WHERE unmatched_signals.code <> 'unknown_account'",
        **{
            **unmatched._asdict(),
            "value": {"is": unmatched.value},
            "externals": [{"system": s, "id": i} for s, i in unmatched.externals],
        },
        now=tx.now,
    )
    return kept == 1


async def take_waiting(
    tx: Transaction, system: str, external_id: str, limit: int
) -> Sequence[tuple[int, Unmatched]]:
    """Take signals that wait for this id, the oldest first."""
    rows = await tx.fetch_all(
        "DELETE FROM unmatched_signals WHERE id IN (SELECT id FROM unmatched_signals "
        "WHERE externals @> CAST(:wanted AS jsonb) AND code = 'unknown_account' "
        "ORDER BY id LIMIT :limit FOR UPDATE) RETURNING *",
        wanted=[{"system": system, "id": external_id}],
        limit=limit,
    )
    return sorted((row["id"], _unmatched(row)) for row in rows)


async def count_waiting(tx: Transaction, system: str, external_id: str) -> int:
    """Count the signals that wait for this id."""
    return int(
        await tx.fetch_value(
            "SELECT count(*) FROM unmatched_signals "
            "WHERE externals @> CAST(:wanted AS jsonb) AND code = 'unknown_account'",
            wanted=[{"system": system, "id": external_id}],
        )
    )


async def take(tx: Transaction, unmatched_id: int) -> Unmatched | None:
    """Take one signal that waits."""
    row = await tx.fetch_one(
        "DELETE FROM unmatched_signals WHERE id = :id RETURNING *", id=unmatched_id
    )
    return _unmatched(row) if row else None


async def waiting(
    tx: Transaction, *, before: int | None, limit: int
) -> Sequence[tuple[RowMapping, Unmatched]]:
    """Return the signals that wait, newest first."""
    rows = await tx.fetch_all(
        "SELECT * FROM unmatched_signals WHERE (CAST(:before AS bigint) IS NULL OR id < :before) "
        "ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
    )
    return [(row, _unmatched(row)) for row in rows]


def _unmatched(row: RowMapping) -> Unmatched:
    value = msgspec.convert(row["value"]["is"], float | str | None, strict=True)
    return Unmatched(
        source=row["source"],
        key=row["key"],
        type=row["type"],
        value=value,
        observed_at=row["observed_at"],
        externals=[(one["system"], one["id"]) for one in row["externals"]],
        code=row["code"],
        message=row["message"],
    )
