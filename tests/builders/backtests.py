"""A history whose losses are known to come from usage, small enough for a test."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from services.health.domain.backtest.history import (
    NOBODY,
    History,
    KnownSignal,
    Renewal,
    UsageLog,
    known_by_end_of,
)
from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.score.score import Signal

FIRST = date(2024, 1, 1)


def usage_log(
    rows: Sequence[tuple[int, date, float]], known: dict[int, datetime] | None = None
) -> UsageLog:
    """(account, day, count) each; ``known`` is when the row at a position had arrived."""
    day = np.array([one.toordinal() for _, one, _ in rows], dtype=np.int64)
    arrived = known_by_end_of(day)
    for position, at in (known or {}).items():
        arrived[position] = int(at.timestamp())
    return UsageLog(
        account=np.array([account for account, _, _ in rows], dtype=np.int64),
        day=day,
        event=np.zeros(len(rows), dtype=np.int64),
        count=np.array([count for _, _, count in rows], dtype=np.float64),
        user=np.full(len(rows), NOBODY, dtype=np.int64),
        known=arrived,
    )


def history(
    usage: UsageLog,
    renewals: Sequence[Renewal],
    signals: dict[int, list[KnownSignal]] | None = None,
    accounts: int = 1,
) -> History:
    return History(
        accounts=[f"a{number}" for number in range(accounts)],
        segments=["mid"] * accounts,
        groups=["mid"] * accounts,
        events=["used"],
        usage=usage,
        renewals=renewals,
        signals=signals or {},
    )


def known_signal(
    kind: str, at: date, known: date | None = None, value: float | None = None
) -> KnownSignal:
    seen = datetime.combine(at, time(9), tzinfo=UTC)
    arrived = seen if known is None else datetime.combine(known, time(9), tzinfo=UTC)
    return KnownSignal(Signal(kind, seen, value), arrived)


def profile(**inputs: Any) -> Profile:
    """A profile of one dimension; no inputs means usage, silence and payments."""
    chosen = inputs or {
        "usage_ratio": {"weight": 2, "curve": [[0, 0], [1, 0.9], [1.2, 1]]},
        "days_since_activity": {"curve": [[1, 1.0], [7, 0.5], [21, 0.0]]},
        "payments": {"signals": {"payment_failed": 0.0, "payment_succeeded": 0.9}},
    }
    return parse_profile(
        {
            "name": "test",
            "applies_to": {"segments": ["mid"]},
            "version": 1,
            "coverage_floor": 0.0,
            "metrics": {"used": {"kind": "count", "events": ["used"]}},
            "dimensions": {"all": {"weight": 1, "inputs": chosen}},
        }
    )


def planted(
    accounts: int = 300, seed: int = 4
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of usage and outcomes: half of the fading accounts are lost, few of the others.

    Weekly usage over two years, one renewal a year, usage of those who fade halves in the last
    five months.
    """
    random = np.random.default_rng(seed)
    usage: list[dict[str, Any]] = []
    outcomes: list[dict[str, Any]] = []
    for number in range(accounts):
        first_due = FIRST + timedelta(days=300 + int(random.integers(0, 180)))
        dues = [first_due, first_due + timedelta(days=365)]
        fades = [bool(random.random() < 0.3) for _ in dues]
        losses = [bool(random.random() < (0.7 if fade else 0.05)) for fade in fades]
        level = float(random.uniform(20, 60))
        for week in range(0, 840, 7):
            day = FIRST + timedelta(days=week)
            ahead = next((n for n, due in enumerate(dues) if due > day), None)
            if ahead is None or (ahead == 1 and losses[0]):
                break
            fading = fades[ahead] and (dues[ahead] - day).days < 150
            count = int(random.poisson(level * (0.3 if fading else 1)))
            usage.append({"account_id": f"a{number}", "day": day, "event": "used", "count": count})
        for n, due in enumerate(dues):
            if n == 0 or not losses[0]:
                outcomes.append(
                    {
                        "account_id": f"a{number}",
                        "renewal_date": due,
                        "lost": int(losses[n]),
                        "mrr_minor": int(random.lognormal(10, 1)),
                        "currency": "EUR",
                        "segment": "mid" if number % 2 else "smb",
                    }
                )
    return usage, outcomes
