"""What the detector keeps of each account: one packed row for all its metrics (decision 14)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.health.domain.detector.monitoring import Monitoring
from services.health.domain.detector.recent import RECENT_DAYS
from services.health.domain.detector.record import FLOATS_PER_RECORD, Record
from services.health.domain.detector.state import Floats
from shared.db.transaction import Transaction


class Kept(NamedTuple):
    """An account's row: judged since when, through which day, in which metrics."""

    since: date
    day: date
    metrics: tuple[str, ...]
    monitoring: Monitoring
    records: bytes
    recent: bytes

    @property
    def is_off(self) -> NDArray[np.bool_]:
        """Whether the last day was not judged, as an array of one account."""
        return np.array([self.monitoring is Monitoring.SUSPENDED])

    def record(self, metric: str) -> Record | None:
        """Return the record of a metric, as an array of one account; None when not watched."""
        return self.of(metric) if metric in self.metrics else None

    def of(self, metric: str) -> Record:
        """Return the record of one of the metrics, as an array of one account."""
        table = np.frombuffer(self.records).reshape(len(self.metrics), FLOATS_PER_RECORD)
        return Record.unpack(table[[self.metrics.index(metric)]])


class Key(NamedTuple):
    """Whose row it is, since and through when it is judged, and how its events are monitored."""

    account_id: str
    since: date
    through: date
    monitoring: Monitoring


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of many accounts as arrays: records by metric, and the recent weeks."""

    records: Mapping[str, Record]
    recent: Floats


async def kept(tx: Transaction, account_ids: Sequence[str]) -> Mapping[str, Kept]:
    """Return the rows of accounts."""
    rows = await tx.fetch_tuples(
        "SELECT account_id, since, day, metrics, monitoring, records, recent FROM detector_states "
        "WHERE account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    found = {}
    for account_id, since, day, metrics, state, records, recent in rows:
        found[account_id] = Kept(since, day, tuple(metrics), Monitoring(state), records, recent)
    return found


async def count_by_state(tx: Transaction) -> dict[Monitoring, int]:
    """Return how many accounts are monitored, warming up, suspended, too quiet."""
    rows = await tx.fetch_all(
        "SELECT monitoring, count(*) AS n FROM detector_states GROUP BY monitoring ORDER BY 1"
    )
    return {Monitoring(row["monitoring"]): row["n"] for row in rows}


def unpack(rows: Sequence[Kept | None], metrics: Sequence[str]) -> Rows:
    """Return rows as arrays; an account without a row is fresh."""
    size = (len(metrics), FLOATS_PER_RECORD)
    fresh = np.repeat(Record.fresh(1).pack(), len(metrics), axis=0).tobytes()
    tables = np.frombuffer(b"".join(row.records if row else fresh for row in rows))
    tables = tables.reshape(len(rows), *size)
    records = {metric: Record.unpack(tables[:, n]) for n, metric in enumerate(metrics)}
    return Rows(records, unpack_recent(rows))


def unpack_recent(rows: Sequence[Kept | None]) -> Floats:
    """Return the recent weeks as an array, accounts x days; NaN for an account without a row."""
    blank = np.full(RECENT_DAYS, np.nan, dtype=np.float32).tobytes()
    recent = np.frombuffer(b"".join(row.recent if row else blank for row in rows), np.float32)
    return recent.reshape(len(rows), RECENT_DAYS).astype(np.float64)


async def save(
    tx: Transaction,
    keys: Sequence[Key],
    metrics: Sequence[str],
    rows: Rows,
) -> None:
    """Keep rows of accounts; all with the same metrics."""
    tables = np.stack([rows.records[metric].pack() for metric in metrics], axis=1)
    recent = rows.recent.astype(np.float32)
    await tx.execute(
        "INSERT INTO detector_states (account_id, since, day, metrics, monitoring, records, "
        "recent) SELECT account_id, since, day, CAST(:metrics AS text[]), monitoring, records, "
        "recent "
        "FROM unnest(CAST(:ids AS text[]), CAST(:since AS date[]), CAST(:days AS date[]), "
        "CAST(:monitoring AS text[]), CAST(:records AS bytea[]), CAST(:recent AS bytea[])) "
        "AS e(account_id, since, day, monitoring, records, recent) "
        "ON CONFLICT (account_id) DO UPDATE SET since = EXCLUDED.since, "
        "day = EXCLUDED.day, metrics = EXCLUDED.metrics, "
        "monitoring = EXCLUDED.monitoring, "
        "records = EXCLUDED.records, recent = EXCLUDED.recent",
        metrics=list(metrics),
        ids=[key.account_id for key in keys],
        since=[key.since for key in keys],
        days=[key.through for key in keys],
        monitoring=[key.monitoring.value for key in keys],
        records=[table.tobytes() for table in tables],
        recent=[row.tobytes() for row in recent],
    )
