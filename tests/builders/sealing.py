"""Accounts with daily counts in the database, and their sealing, for tests of the detector."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from services.health.domain.profile.profile import Profile
from services.health.domain.usage.closing import StreamTime
from services.health.jobs.sealing import seal_group
from services.health.storage.account.accounts import PeerGroup
from services.health.usecases.detector.planning import Sealing
from shared.db.transaction import Database, Transaction
from tests.builders.health import default_profile

GROUP = PeerGroup("smb", "UTC")
FIRST = date(2025, 9, 1)
GRACE = timedelta(hours=1)


async def put_counts(
    tx: Transaction, counts: dict[str, Any], first: date = FIRST, group: PeerGroup = GROUP
) -> None:
    """Write daily event counts of accounts, two users a day where there is any event."""
    seen = datetime.combine(first, time(), UTC)
    for account, daily in counts.items():
        await tx.execute(
            "INSERT INTO accounts (account_id, segment, time_zone, first_seen_at, "
            "last_active_at, first_day) VALUES (:account, :segment, :time_zone, :seen, :seen, "
            ":first)",
            account=account,
            seen=seen,
            first=first,
            **group._asdict(),
        )
        active = [
            (first + timedelta(days=n), int(y)) for n, y in enumerate(np.asarray(daily)) if y > 0
        ]
        await tx.execute(
            "INSERT INTO usage_daily SELECT :account, d, 'report.exported', n "
            "FROM unnest(CAST(:days AS date[]), CAST(:ns AS bigint[])) AS e(d, n)",
            account=account,
            days=[day for day, _ in active],
            ns=[n for _, n in active],
        )
        await tx.execute(
            "INSERT INTO usage_users SELECT :account, d, u, 1 "
            "FROM unnest(CAST(:days AS date[])) AS d, unnest(ARRAY['u1', 'u2']) AS u",
            account=account,
            days=[day for day, _ in active],
        )


def sealing(
    through: date, profile: Profile | None = None, group: PeerGroup = GROUP, **changes: Any
) -> Sealing:
    """Return the sealing of a group at the moment a day is over."""
    now = datetime.combine(through + timedelta(days=1), time(2), UTC)
    stream = StreamTime(now, now, GRACE, 2 * GRACE)
    return Sealing(group, profile or default_profile(), stream, now, **changes)


async def seal_through(database: Database, through: date, **changes: Any) -> None:
    """Seal a group's days through a day."""
    await seal_group(database, sealing(through, **changes))
