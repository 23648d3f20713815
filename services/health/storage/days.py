"""Daily counts, and what the detector made of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import RowMapping

from services.health.domain.detector.state import SegmentState
from services.health.storage.accounts import PeerGroup
from shared.db.transaction import Transaction

EVENTS = "events"
ACTIVE_USERS = "active_users"
METRICS = (EVENTS, ACTIVE_USERS)

_COUNTS = {
    EVENTS: "SELECT account_id, day, sum(n)::float8 AS y FROM usage_daily",
    ACTIVE_USERS: "SELECT account_id, day, count(*)::float8 AS y FROM usage_users",
}


class JudgedDay(NamedTuple):
    """What the detector said about one account, metric and day."""

    account_id: str
    metric: str
    day: date
    y: float
    mu: float
    ratio: float
    p_down: float
    peers: float
    alarm: bool


class PeerDay(NamedTuple):
    """What a peer group's day was like: the peer factor, and the weekday habit before it."""

    day: date
    g: float
    shape: SegmentState


async def counts(
    tx: Transaction, metric: str, account_ids: Sequence[str], days: tuple[date, date]
) -> Mapping[tuple[str, date], float]:
    """Return the daily numbers of accounts for an inclusive range of days; absent is zero."""
    rows = await tx.fetch_all(
        f"{_COUNTS[metric]} WHERE account_id = ANY(CAST(:account_ids AS text[])) "
        "AND day BETWEEN :first AND :last GROUP BY account_id, day",
        account_ids=list(account_ids),
        first=days[0],
        last=days[1],
    )
    return {(row["account_id"], row["day"]): row["y"] for row in rows}


async def active_users(
    tx: Transaction, account_ids: Sequence[str], days: tuple[date, date]
) -> Mapping[str, int]:
    """Return the distinct users of each account over an inclusive range of days."""
    rows = await tx.fetch_all(
        "SELECT account_id, count(DISTINCT user_id) AS users FROM usage_users "
        "WHERE account_id = ANY(CAST(:account_ids AS text[])) AND day BETWEEN :first AND :last "
        "GROUP BY account_id",
        account_ids=list(account_ids),
        first=days[0],
        last=days[1],
    )
    return {row["account_id"]: row["users"] for row in rows}


async def states(
    tx: Transaction, metric: str, account_ids: Sequence[str]
) -> Mapping[str, list[float]]:
    """Return what the detector remembers of accounts."""
    rows = await tx.fetch_all(
        "SELECT account_id, state FROM detector_states WHERE metric = :metric "
        "AND account_id = ANY(CAST(:account_ids AS text[]))",
        metric=metric,
        account_ids=list(account_ids),
    )
    return {row["account_id"]: row["state"] for row in rows}


async def save_states(
    tx: Transaction, metric: str, day: date, rows: Mapping[str, list[float]]
) -> None:
    """Keep what the detector remembers after a day."""
    await tx.execute_many(
        "INSERT INTO detector_states (account_id, metric, day, state) "
        "VALUES (:account_id, :metric, :day, :state) ON CONFLICT (account_id, metric) "
        "DO UPDATE SET day = EXCLUDED.day, state = EXCLUDED.state",
        [
            {"account_id": account_id, "metric": metric, "day": day, "state": state}
            for account_id, state in sorted(rows.items())
        ],
    )


async def save_judged(tx: Transaction, judged: Iterable[JudgedDay]) -> None:
    """Keep what was said about days; a day judged again is replaced."""
    rows = sorted(judged)
    await tx.execute(
        "INSERT INTO detector_days SELECT * FROM unnest(CAST(:ids AS text[]), "
        "CAST(:metrics AS text[]), CAST(:days AS date[]), CAST(:ys AS float8[]), "
        "CAST(:mus AS float8[]), CAST(:ratios AS float8[]), CAST(:ps AS float8[]), "
        "CAST(:peers AS float8[]), CAST(:alarms AS boolean[])) "
        "ON CONFLICT (account_id, metric, day) DO UPDATE SET y = EXCLUDED.y, mu = EXCLUDED.mu, "
        "ratio = EXCLUDED.ratio, p_down = EXCLUDED.p_down, peers = EXCLUDED.peers, "
        "alarm = EXCLUDED.alarm",
        ids=[row.account_id for row in rows],
        metrics=[row.metric for row in rows],
        days=[row.day for row in rows],
        ys=[row.y for row in rows],
        mus=[row.mu for row in rows],
        ratios=[row.ratio for row in rows],
        ps=[row.p_down for row in rows],
        peers=[row.peers for row in rows],
        alarms=[row.alarm for row in rows],
    )


async def latest_judged(tx: Transaction, account_id: str) -> Mapping[str, JudgedDay]:
    """Return the newest judged day of each metric of an account."""
    return (await latest_judged_of(tx, [account_id])).get(account_id, {})


async def latest_judged_of(
    tx: Transaction, account_ids: Sequence[str]
) -> Mapping[str, Mapping[str, JudgedDay]]:
    """Return the newest judged day of each metric of accounts."""
    rows = await tx.fetch_all(
        "SELECT d.* FROM unnest(CAST(:account_ids AS text[])) AS a(account_id) "
        "CROSS JOIN unnest(CAST(:metrics AS text[])) AS m(metric) CROSS JOIN LATERAL "
        "(SELECT * FROM detector_days AS j WHERE j.account_id = a.account_id "
        "AND j.metric = m.metric ORDER BY j.day DESC LIMIT 1) AS d",
        account_ids=list(account_ids),
        metrics=list(METRICS),
    )
    found: dict[str, dict[str, JudgedDay]] = {}
    for row in rows:
        found.setdefault(row["account_id"], {})[row["metric"]] = JudgedDay(**row)
    return found


async def group_day(tx: Transaction, group: PeerGroup) -> date | None:
    """Return the last day the group as a whole is sealed through."""
    found: date | None = await tx.fetch_value(
        "SELECT max(day) FROM peer_days WHERE segment = :segment AND time_zone = :time_zone",
        **group._asdict(),
    )
    return found


async def group_state(tx: Transaction, group: PeerGroup, metric: str) -> SegmentState:
    """Return the weekday habit of a group; a new group's days are alike."""
    raw = await tx.fetch_value(
        "SELECT state FROM peer_groups WHERE segment = :segment AND time_zone = :time_zone "
        "AND metric = :metric",
        metric=metric,
        **group._asdict(),
    )
    return SegmentState(tuple(raw)) if raw else SegmentState()


async def save_group(
    tx: Transaction, group: PeerGroup, metric: str, state: SegmentState, days: Sequence[PeerDay]
) -> None:
    """Keep a group's weekday habit, and the days it was sealed for."""
    await tx.execute(
        "INSERT INTO peer_groups (segment, time_zone, metric, day, state) "
        "VALUES (:segment, :time_zone, :metric, :day, :state) "
        "ON CONFLICT (segment, time_zone, metric) DO UPDATE SET day = EXCLUDED.day, "
        "state = EXCLUDED.state",
        metric=metric,
        day=days[-1].day,
        state=list(state.raw),
        **group._asdict(),
    )
    await tx.execute_many(
        "INSERT INTO peer_days (segment, time_zone, metric, day, g, shape) "
        "VALUES (:segment, :time_zone, :metric, :day, :g, :shape)",
        [
            {
                "metric": metric,
                "day": day.day,
                "g": day.g,
                "shape": list(day.shape.raw),
                **group._asdict(),
            }
            for day in days
        ],
    )


async def peer_days(tx: Transaction, group: PeerGroup, metric: str) -> Mapping[date, PeerDay]:
    """Return the days a group was sealed for."""
    rows = await tx.fetch_all(
        "SELECT day, g, shape FROM peer_days WHERE segment = :segment "
        "AND time_zone = :time_zone AND metric = :metric",
        metric=metric,
        **group._asdict(),
    )
    return {
        row["day"]: PeerDay(row["day"], row["g"], SegmentState(tuple(row["shape"]))) for row in rows
    }


async def by_name(tx: Transaction, account_id: str, last_days: int) -> Sequence[RowMapping]:
    """Return the event counts of an account by day and event name."""
    return await tx.fetch_all(
        "SELECT day, name, n FROM usage_daily WHERE account_id = :account_id "
        "AND day > :since ORDER BY day, name",
        account_id=account_id,
        since=tx.now.date() - timedelta(days=last_days),
    )
