"""What the detector keeps of each account: one packed row for all its metrics (decision 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from services.health.domain.detector.recent import RECENT_DAYS
from services.health.domain.detector.record import FLOATS_PER_RECORD, Record
from services.health.domain.detector.state import Floats
from shared.db.transaction import Row, Transaction


class Kept(NamedTuple):
    """An account's row: judged since when, through which day, in which metrics."""

    since: date
    day: date
    metrics: tuple[str, ...]
    records: bytes
    recent: bytes

    def record(self, metric: str) -> Record | None:
        """Return the record of one metric, as an array of one account."""
        if metric not in self.metrics:
            return None
        table = np.frombuffer(self.records).reshape(len(self.metrics), FLOATS_PER_RECORD)
        return Record.unpack(table[[self.metrics.index(metric)]])


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of many accounts as arrays: records by metric, and the recent weeks."""

    records: Mapping[str, Record]
    recent: Floats


async def kept(tx: Transaction, account_ids: Sequence[str]) -> Mapping[str, Kept]:
    """Return the rows of accounts."""
    rows = await tx.fetch_all(
        "SELECT account_id, since, day, metrics, records, recent FROM detector_states "
        "WHERE account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    return {
        row[0]: Kept(row[1], row[2], tuple(row[3]), row[4], row[5]) for row in map(_values, rows)
    }


def _values(row: Row) -> tuple[Any, ...]:
    return tuple(row.values())


def unpack(rows: Sequence[Kept | None], metrics: Sequence[str]) -> Rows:
    """Return rows as arrays; an account without a row is fresh."""
    size = (len(metrics), FLOATS_PER_RECORD)
    fresh = np.repeat(Record.fresh(1).pack(), len(metrics), axis=0).tobytes()
    blank = np.full(RECENT_DAYS, np.nan, dtype=np.float32).tobytes()
    tables = np.frombuffer(b"".join(row.records if row else fresh for row in rows))
    tables = tables.reshape(len(rows), *size)
    recent = np.frombuffer(b"".join(row.recent if row else blank for row in rows), np.float32)
    records = {metric: Record.unpack(tables[:, n]) for n, metric in enumerate(metrics)}
    return Rows(records, recent.reshape(len(rows), RECENT_DAYS).astype(np.float64))


async def save(
    tx: Transaction,
    keys: Sequence[tuple[str, date, date]],
    metrics: Sequence[str],
    rows: Rows,
) -> None:
    """Keep rows of accounts; ``keys`` are account id, judged since, judged through."""
    tables = np.stack([rows.records[metric].pack() for metric in metrics], axis=1)
    recent = rows.recent.astype(np.float32)
    await tx.execute(
        "INSERT INTO detector_states (account_id, since, day, metrics, records, recent) "
        "SELECT account_id, since, day, CAST(:metrics AS text[]), records, recent "
        "FROM unnest(CAST(:ids AS text[]), CAST(:since AS date[]), CAST(:days AS date[]), "
        "CAST(:records AS bytea[]), CAST(:recent AS bytea[])) "
        "AS e(account_id, since, day, records, recent) ON CONFLICT (account_id) DO UPDATE SET "
        "since = EXCLUDED.since, day = EXCLUDED.day, metrics = EXCLUDED.metrics, "
        "records = EXCLUDED.records, recent = EXCLUDED.recent",
        metrics=list(metrics),
        ids=[key[0] for key in keys],
        since=[key[1] for key in keys],
        days=[key[2] for key in keys],
        records=[table.tobytes() for table in tables],
        recent=[row.tobytes() for row in recent],
    )
