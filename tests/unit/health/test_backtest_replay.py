"""Nothing that came later is known at a landmark: not by event time, not by arrival."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from services.health.domain.backtest.history import History, Renewal
from services.health.domain.backtest.panel import watch
from services.health.domain.backtest.plan import Plan, PlanInvalid
from services.health.domain.backtest.replay import Replay
from tests.builders.backtests import FIRST, history, known_signal, profile, usage_log
from tests.builders.health import sealed_days

# Long enough for the detector to judge, which takes four weeks, and to be silent for 20 days.
BEFORE, SILENT_FROM = 51, 31
DAYS = [FIRST + timedelta(days=n) for n in range(49, 120)]
LANDMARK = DAYS[BEFORE]
STEADY = [(0, day, 10.0) for day in DAYS]
COUNT = {"used": {"curve": [[0, 0], [280, 1]]}}


def ratio(of: History, landmark: date = LANDMARK) -> float:
    return float(Replay(of, profile()).at(landmark).observed["usage_ratio"][0])


def test_the_ratio_is_the_live_detectors_on_the_days_before_the_landmark() -> None:
    random = np.random.default_rng(1)
    counts = random.poisson(10, (3, BEFORE)).astype(float)
    rows = [(a, DAYS[d], counts[a, d]) for a in range(3) for d in range(BEFORE)]
    seen = Replay(history(usage_log(rows), [], accounts=3), profile()).at(LANDMARK)
    # The builder's day 0 is a Monday, as the first day here is.
    assert DAYS[0].weekday() == 0
    expected = sealed_days(counts)[-1].result.ratio
    np.testing.assert_allclose(seen.observed["usage_ratio"], expected)


def test_what_happens_on_the_landmark_or_later_does_not_count() -> None:
    changed = [(0, day, 0.0 if day >= LANDMARK else 10.0) for day in DAYS]
    assert ratio(history(usage_log(changed), [])) == ratio(history(usage_log(STEADY), []))


def test_usage_that_arrived_after_the_landmark_does_not_leak_into_it() -> None:
    late = {
        n: datetime(2024, 6, 1, tzinfo=UTC)
        for n, day in enumerate(DAYS)
        if SILENT_FROM <= n < BEFORE
    }
    absent = [(0, day, 0.0 if SILENT_FROM <= n < BEFORE else 10.0) for n, day in enumerate(DAYS)]
    leaking, honest = history(usage_log(STEADY, late), []), history(usage_log(absent), [])
    assert ratio(leaking) == ratio(honest)
    assert ratio(leaking) < 0.5 < ratio(history(usage_log(STEADY), []))
    silence = Replay(leaking, profile()).at(LANDMARK).observed["days_since_activity"]
    assert silence[0] == 20
    counted = Replay(leaking, profile(**COUNT)).at(LANDMARK).observed["used"]
    assert counted[0] == 10.0 * 8


def test_late_usage_counts_from_its_arrival_on_as_if_it_had_been_there() -> None:
    arrival = datetime.combine(LANDMARK + timedelta(days=3), datetime.min.time(), tzinfo=UTC)
    late = {n: arrival for n, day in enumerate(DAYS) if SILENT_FROM <= n < BEFORE}
    of = history(usage_log(STEADY, late), [])
    replay = Replay(of, profile())
    before = replay.at(LANDMARK).observed["usage_ratio"][0]
    after = replay.at(LANDMARK + timedelta(days=10)).observed["usage_ratio"][0]
    whole = ratio(history(usage_log(STEADY), []), LANDMARK + timedelta(days=10))
    assert before < 0.5
    assert after == pytest.approx(whole, rel=1e-12)


def test_a_signal_counts_only_once_it_happened_and_was_known() -> None:
    due = LANDMARK + timedelta(days=60)
    told_late = known_signal("payment_failed", date(2024, 4, 1), known=date(2024, 5, 1))
    future = known_signal("payment_failed", LANDMARK + timedelta(days=1))
    for signal in (told_late, future):
        of = history(usage_log(STEADY), [Renewal(0, due, is_lost=True)], {0: [signal]})
        evidence = Replay(of, profile()).at(LANDMARK).evidence(0)
        assert evidence.signals == ()
    on_time = known_signal("payment_failed", date(2024, 4, 1))
    of = history(usage_log(STEADY), [], {0: [on_time]})
    assert Replay(of, profile()).at(LANDMARK).evidence(0).signals == (on_time.signal,)


def ranked(of: History) -> float:
    """The score of account 5 on the landmark; its renewal is the only one."""
    used = {"percentile": {"higher_is": "healthy", "min_accounts": 20}, "curve": [[0, 0], [1, 1]]}
    days = {"since": LANDMARK, "until": LANDMARK + timedelta(days=1), "every_days": 92}
    plan = Plan(horizon_days=100, min_lead_days=30, **days)
    panel = watch(of, profile(used=used), plan, lambda *_: None).panel
    assert len(panel) == 1
    return float(panel.score[0])


@pytest.mark.parametrize(("accounts", "score"), [(25, 100 * 5.5 / 25), (19, 100.0)])
def test_ranks_are_among_the_accounts_that_were_known_then(accounts: int, score: float) -> None:
    rows = [(a, day, 1.0 + a) for a in range(accounts) for day in DAYS if day < LANDMARK]
    # The day after, everybody else falls far below; it is not known yet.
    later = [(a, day, 0.1) for a in range(accounts) if a != 5 for day in DAYS if day >= LANDMARK]
    renewal = Renewal(5, LANDMARK + timedelta(days=60), is_lost=True)
    for usage in (rows, rows + later):
        of = history(usage_log(usage), [renewal], accounts=accounts)
        assert ranked(of) == pytest.approx(score, abs=1.5)


def watched(renewal: Renewal, plan: Plan) -> list[date]:
    panel = watch(history(usage_log(STEADY), [renewal]), profile(), plan, lambda *_: None).panel
    return [date.fromordinal(int(day)) for day in panel.day]


def test_landmarks_lie_between_the_horizon_and_the_shortest_lead() -> None:
    due = date(2024, 7, 10)
    plan = Plan(horizon_days=100, min_lead_days=30)
    assert watched(Renewal(0, due, is_lost=True), plan) == [
        date(2024, 4, 1), date(2024, 5, 1), date(2024, 6, 1),
    ]  # fmt: skip


def test_nothing_is_watched_before_the_term_nor_after_the_decision() -> None:
    due = date(2024, 7, 10)
    renewal = Renewal(
        0, due, is_lost=True, starts_on=date(2024, 4, 15), notice_given_on=date(2024, 5, 20)
    )
    assert watched(renewal, Plan(horizon_days=100, min_lead_days=30)) == [date(2024, 5, 1)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"horizon_days": 0}, "horizon_days: write 1 to 1100"),
        ({"min_lead_days": 400}, "min_lead_days: write 1 to horizon_days"),
        ({"budget": 1.5}, "budget: write a share between 0 and 1"),
        ({"every_days": 0}, "every_days: write 1 to 92"),
        ({"since": date(2025, 1, 1), "until": date(2024, 1, 1)}, "must be before until"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(PlanInvalid, match=words):
        Plan(**settings)  # type: ignore[arg-type]
