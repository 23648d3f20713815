"""How far the stream of each peer group has come, by its own time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from services.health.storage.account.accounts import PeerGroup
from shared.db.transaction import Transaction

_NOTE = """
INSERT INTO watermarks AS w (segment, time_zone, partition, event_time, received_at)
SELECT * FROM unnest(CAST(:segments AS text[]), CAST(:zones AS text[]), CAST(:partitions AS int[]),
                     CAST(:times AS timestamptz[]), CAST(:received AS timestamptz[]))
ON CONFLICT (segment, time_zone, partition) DO UPDATE SET event_time = EXCLUDED.event_time,
    received_at = CASE
        WHEN ((w.event_time - CAST(:grace AS interval)) AT TIME ZONE w.time_zone)::date
           = ((EXCLUDED.event_time - CAST(:grace AS interval)) AT TIME ZONE w.time_zone)::date
        THEN w.received_at ELSE EXCLUDED.received_at END
WHERE w.event_time < EXCLUDED.event_time
"""
_LATEST = """
SELECT DISTINCT ON (segment, time_zone) segment, time_zone, event_time,
       min(received_at) OVER (PARTITION BY segment, time_zone,
           ((event_time - CAST(:grace AS interval)) AT TIME ZONE time_zone)::date) AS received_at
FROM watermarks ORDER BY segment, time_zone, event_time DESC
"""


class Watermark(NamedTuple):
    """The latest event time of a group, and when the first event past midnight came in."""

    event_time: datetime
    received_at: datetime


async def note(
    tx: Transaction, latest: Mapping[tuple[PeerGroup, int], Watermark], grace: timedelta
) -> None:
    """Move the watermarks of groups forward, partition by partition.

    A group has its own: one backend that is ahead, or that catches up with last week, closes no
    days of customers it knows nothing of. An event counts as no later than its reception, so a
    wrong clock cannot close days early. ``received_at`` stays that of the first event after the
    day's end and the grace: what closes a day is what alerts are timed from.
    """
    rows = sorted(latest.items())
    await tx.execute(
        _NOTE,
        segments=[group.segment for (group, _), _ in rows],
        zones=[group.time_zone for (group, _), _ in rows],
        partitions=[partition for (_, partition), _ in rows],
        times=[min(mark.event_time, mark.received_at) for _, mark in rows],
        received=[mark.received_at for _, mark in rows],
        grace=grace,
    )


async def by_group(tx: Transaction, grace: timedelta) -> Mapping[PeerGroup, Watermark]:
    """Return how far every group that was seen live has come."""
    return {
        PeerGroup(row["segment"], row["time_zone"]): Watermark(
            row["event_time"], row["received_at"]
        )
        for row in await tx.fetch_all(_LATEST, grace=grace)
    }
