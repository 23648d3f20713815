"""Peer groups: their weekday habits, and the factor of each of their days."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from services.health.domain.detector.peers import PeerDay
from services.health.domain.detector.state import SegmentState
from services.health.domain.profile.metrics import EVENTS
from services.health.storage.account.accounts import PeerGroup
from shared.db.transaction import Transaction


class Planned(NamedTuple):
    """Days of one metric of a group, and the weekday habit after them."""

    metric: str
    days: Sequence[PeerDay]
    habit: SegmentState


async def lock(tx: Transaction, group: PeerGroup) -> None:
    """Let nobody else plan the days of a group until the transaction ends."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('seal'), hashtext(:name))",
        name=f"{group.segment}/{group.time_zone}",
    )


async def planned_through(tx: Transaction, group: PeerGroup) -> date | None:
    """Return the last day a group has a peer factor for."""
    found: date | None = await tx.fetch_value(
        "SELECT max(day) FROM peer_groups WHERE segment = :segment AND time_zone = :time_zone",
        **group._asdict(),
    )
    return found


async def first_day(tx: Transaction, group: PeerGroup) -> date | None:
    """Return the first day a group has a peer factor for."""
    found: date | None = await tx.fetch_value(
        "SELECT min(day) FROM peer_days WHERE segment = :segment AND time_zone = :time_zone",
        **group._asdict(),
    )
    return found


async def habits(tx: Transaction, group: PeerGroup) -> Mapping[str, SegmentState]:
    """Return the weekday habit of each metric of a group; nothing for a new group."""
    rows = await tx.fetch_all(
        "SELECT metric, state FROM peer_groups WHERE segment = :segment AND time_zone = :time_zone",
        **group._asdict(),
    )
    return {row["metric"]: SegmentState(tuple(row["state"])) for row in rows}


async def save(tx: Transaction, group: PeerGroup, planned: Sequence[Planned]) -> None:
    """Keep the next days of a group."""
    await tx.execute_many(
        "INSERT INTO peer_groups (segment, time_zone, metric, day, state) "
        "VALUES (:segment, :time_zone, :metric, :day, :state) "
        "ON CONFLICT (segment, time_zone, metric) DO UPDATE SET day = EXCLUDED.day, "
        "state = EXCLUDED.state",
        [
            {
                "metric": one.metric,
                "day": one.days[-1].day,
                "state": list(one.habit.raw),
                **group._asdict(),
            }
            for one in planned
        ],
    )
    await tx.execute_many(
        "INSERT INTO peer_days (segment, time_zone, metric, day, g, shape, voters, observed, "
        "expected) VALUES (:segment, :time_zone, :metric, :day, :g, :shape, :voters, :observed, "
        ":expected)",
        [
            {
                "metric": one.metric,
                **day._asdict(),
                "shape": list(day.shape.raw),
                **group._asdict(),
            }
            for one in planned
            for day in one.days
        ],
    )


async def days(
    tx: Transaction, group: PeerGroup, span: tuple[date, date]
) -> Mapping[str, list[PeerDay]]:
    """Return every day of a span, inclusive, for each metric of a group.

    A day the group was not there for has factor 1 and no habit.
    """
    rows = await tx.fetch_all(
        "SELECT metric, day, g, shape, voters, observed, expected FROM peer_days "
        "WHERE segment = :segment AND time_zone = :time_zone AND day BETWEEN :first AND :last",
        first=span[0],
        last=span[1],
        **group._asdict(),
    )
    found: dict[str, dict[date, PeerDay]] = {}
    for row in rows:
        kept = {**row, "shape": SegmentState(tuple(row["shape"]))}
        by_day = found.setdefault(kept.pop("metric"), {})
        by_day[row["day"]] = PeerDay(**kept)
    every = [span[0] + timedelta(days=n) for n in range((span[1] - span[0]).days + 1)]
    return {
        metric: [by_day.get(day) or PeerDay(day) for day in every]
        for metric, by_day in found.items()
    }


async def add_late(tx: Transaction, group: PeerGroup, late: Mapping[date, int]) -> None:
    """Add accounts to those whose days came in late; in order, so that nobody waits in a circle."""
    await tx.execute_many(
        "INSERT INTO peer_late_days (segment, time_zone, day, accounts) "
        "VALUES (:segment, :time_zone, :day, :accounts) "
        "ON CONFLICT (segment, time_zone, day) DO UPDATE "
        "SET accounts = peer_late_days.accounts + EXCLUDED.accounts",
        [{"day": day, "accounts": late[day], **group._asdict()} for day in sorted(late)],
    )


async def is_stale(tx: Transaction, group: PeerGroup, share: float, few: int) -> bool:
    """Tell whether a day came in late for a share of its voters, and for no fewer than ``few``.

    A day before the group's first is compared with the most voters there ever were.
    """
    found: bool = await tx.fetch_value(
        "SELECT EXISTS (SELECT FROM peer_late_days l LEFT JOIN peer_days p "
        "USING (segment, time_zone, day) WHERE segment = :segment AND time_zone = :time_zone "
        "AND (p.metric IS NULL OR p.metric = :metric) AND l.accounts >= greatest(:few, "
        "CAST(:share AS float8) * coalesce(p.voters, (SELECT max(voters) FROM peer_days "
        "WHERE segment = :segment AND time_zone = :time_zone AND metric = :metric), 0)))",
        share=share,
        few=few,
        metric=EVENTS,
        **group._asdict(),
    )
    return found


async def forget(tx: Transaction, group: PeerGroup) -> None:
    """Forget the days of a group: they are planned again from daily counts."""
    for table in ("peer_days", "peer_groups", "peer_late_days"):
        await tx.execute(
            f"DELETE FROM {table} WHERE segment = :segment AND time_zone = :time_zone",
            **group._asdict(),
        )
