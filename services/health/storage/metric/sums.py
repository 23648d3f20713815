"""Sums of properties: since when they are complete, and making past ones from raw usage."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from services.health.domain.usage.counting import SumCell
from services.health.storage.usage import raw
from services.health.storage.usage.raw import RawEvent
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id

Pair = tuple[str, str]
"""The name of an event, and one of its properties."""

_DAYS_AHEAD = timedelta(days=2)
"""Readers hear of a new pair within seconds; the first day that is surely whole begins later,
for a zone that is ahead of ours."""


_LONGEST_FLUSH = timedelta(minutes=10)

_NEXT = (
    "SELECT day, id, payload FROM usage_raw WHERE (day, id) > (:day, :id) ORDER BY day, id LIMIT 1"
)


async def need(tx: Transaction, pairs: Collection[Pair]) -> None:
    """Note which sums are needed from now on; one that is not any more has a gap from here."""
    names, properties = [name for name, _ in pairs], [prop for _, prop in pairs]
    await tx.execute(
        "DELETE FROM usage_sums_since AS s WHERE NOT EXISTS (SELECT FROM "
        "unnest(CAST(:names AS text[]), CAST(:properties AS text[])) AS e(name, property) "
        "WHERE e.name = s.name AND e.property = s.property)",
        names=names,
        properties=properties,
    )
    await tx.execute(
        "INSERT INTO usage_sums_since (name, property, day) SELECT e.name, e.property, :day "
        "FROM unnest(CAST(:names AS text[]), CAST(:properties AS text[])) AS e(name, property) "
        "ON CONFLICT DO NOTHING",
        names=names,
        properties=properties,
        day=tx.now.date() + _DAYS_AHEAD,
    )


async def since(tx: Transaction) -> Mapping[Pair, date]:
    """Return the first day of which each sum is whole."""
    rows = await tx.fetch_all("SELECT name, property, day FROM usage_sums_since")
    return {(row["name"], row["property"]): row["day"] for row in rows}


async def kept_since(
    tx: Transaction, first: date, account_id: str | None = None
) -> Mapping[SumCell, tuple[float, int]]:
    """Return the sums that are whole from a day on, of one account or of all."""
    rows = await tx.fetch_all(
        "SELECT s.account_id, s.day, s.name, s.property, s.total, s.n FROM usage_sums AS s "
        "JOIN usage_sums_since AS w ON w.name = s.name AND w.property = s.property "
        "WHERE s.day >= greatest(w.day, :first) "
        "AND (CAST(:account_id AS text) IS NULL OR s.account_id = :account_id)",
        first=first,
        account_id=account_id,
    )
    return {
        (row["account_id"], row["day"], row["name"], row["property"]): (row["total"], row["n"])
        for row in rows
    }


async def complete(tx: Transaction, pairs: Collection[Pair], day: date) -> None:
    """Note that sums are whole from an earlier day on."""
    await tx.execute(
        "UPDATE usage_sums_since AS s SET day = least(s.day, :day) "
        "FROM unnest(CAST(:names AS text[]), CAST(:properties AS text[])) AS e(name, property) "
        "WHERE e.name = s.name AND e.property = s.property",
        names=[name for name, _ in pairs],
        properties=[prop for _, prop in pairs],
        day=day,
    )


async def lock_accounts(tx: Transaction, account_ids: Sequence[str]) -> None:
    """Have usage of these accounts wait, in the order in which usage locks them."""
    await tx.execute(
        "SELECT FROM accounts WHERE account_id = ANY(CAST(:account_ids AS text[])) "
        "ORDER BY account_id FOR UPDATE",
        account_ids=list(account_ids),
    )


async def raw_batches(tx: Transaction) -> AsyncIterator[tuple[UUID, Iterator[RawEvent]]]:
    """Give every batch of raw usage with its id, one in memory at a time."""
    after = (date.min, UUID(int=0))
    while (row := await tx.fetch_one(_NEXT, day=after[0], id=after[1])) is not None:
        after = (row["day"], row["id"])
        yield row["id"], raw.unpack(row["payload"])


async def raw_batches_since(
    tx: Transaction, begun: UUID, seen: Collection[UUID]
) -> AsyncIterator[Iterator[RawEvent]]:
    """Give the batches of raw usage written since an id was made, but those seen before."""
    rows = await tx.fetch_all(
        "SELECT id, day FROM usage_raw WHERE id >= :begun AND id <> ALL(CAST(:seen AS uuid[])) "
        "ORDER BY day, id",
        begun=begun,
        seen=list(seen),
    )
    for row in rows:
        payload = await tx.fetch_value(
            "SELECT payload FROM usage_raw WHERE day = :day AND id = :id", **row
        )
        yield raw.unpack(payload)


def recent_id() -> UUID:
    """Return an id that is older than those of all batches still on their way."""
    return UUID(int=new_id().int - (_LONGEST_FLUSH // timedelta(milliseconds=1) << 80))


async def replace(
    tx: Transaction,
    account_ids: Sequence[str],
    pairs: Collection[Pair],
    totals: Mapping[SumCell, tuple[float, int]],
    *,
    first_day: date,
) -> None:
    """Put sums made from raw usage in the place of those that were there from a day on."""
    await tx.execute(
        "DELETE FROM usage_sums AS s USING "
        "unnest(CAST(:names AS text[]), CAST(:properties AS text[])) AS e(name, property) "
        "WHERE s.account_id = ANY(CAST(:account_ids AS text[])) AND s.day >= :first_day "
        "AND s.name = e.name AND s.property = e.property",
        account_ids=list(account_ids),
        first_day=first_day,
        names=[name for name, _ in pairs],
        properties=[prop for _, prop in pairs],
    )
    cells = sorted(totals)
    await tx.execute(
        "INSERT INTO usage_sums (account_id, day, name, property, total, n) "
        "SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:days AS date[]), "
        "CAST(:names AS text[]), CAST(:properties AS text[]), CAST(:totals AS float8[]), "
        "CAST(:ns AS bigint[]))",
        ids=[cell[0] for cell in cells],
        days=[cell[1] for cell in cells],
        names=[cell[2] for cell in cells],
        properties=[cell[3] for cell in cells],
        totals=[totals[cell][0] for cell in cells],
        ns=[totals[cell][1] for cell in cells],
    )
