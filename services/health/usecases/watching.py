"""Look at an account for reasons to worry: after a day is sealed, and after a signal."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

from services.health.domain.detector.gpr import RATIO_FROM_DAY
from services.health.domain.profile.profile import Profile
from services.health.domain.risk.reasons import (
    DropReading,
    SilenceReading,
    signal_risk,
    signal_risk_rule,
    silence,
    usage_dip,
    usage_drop,
)
from services.health.domain.risk.risk import Finding, RiskRule, Stage
from services.health.domain.score.score import Signal
from services.health.storage import days, risks, signals
from services.health.storage.accounts import Member
from services.health.usecases.risks import Judged, settle
from shared.db.transaction import Transaction

_WEEK = timedelta(days=7)
_HABIT_DAYS = 42
_WORKING_WEEK = 5

Found = tuple[Finding, RiskRule]


async def watch_sealed(
    tx: Transaction,
    members: Sequence[Member],
    judged: Mapping[str, days.JudgedDay],
    profile: Profile,
    caused_at: datetime,
) -> None:
    """Judge what the sealed days of accounts say: a drop, a dip, silence.

    ``judged`` is the newest judged day of each account's events, the same day for all.
    """
    through = max(day.day for day in judged.values())
    ids = [member.account_id for member in members]
    first = through - timedelta(days=_HABIT_DAYS + profile.silence.days)
    by_account: dict[str, dict[date, float]] = {account_id: {} for account_id in ids}
    for (account_id, day), y in (await days.counts(tx, days.EVENTS, ids, (first, through))).items():
        by_account[account_id][day] = y
    at_stake = await risks.with_unsettled(tx, ids)
    for member in members:
        by_day = by_account[member.account_id]
        findings = [
            _drop(member, judged[member.account_id], by_day, profile),
            _dip(member, by_day, profile, through),
            _silence(member, by_day, profile, through),
        ]
        if member.account_id in at_stake or any(f.stage is Stage.PRESENT for f, _ in findings):
            await settle(tx, member.account_id, findings, profile, caused_at)


async def watch_signals(
    tx: Transaction, account_id: str, profile: Profile, caused_at: datetime
) -> None:
    """Judge an account's signals by every fast rule."""
    known = await signals.recent(tx, account_id)
    findings = signal_findings(account_id, known, profile, tx.now)
    await settle(tx, account_id, findings, profile, caused_at)


def signal_findings(
    account_id: str, known: Sequence[Signal], profile: Profile, now: datetime
) -> list[Found]:
    """Return what every fast rule says of an account's signals."""
    return [
        (signal_risk(account_id, known, rule, now), signal_risk_rule(rule))
        for rule in profile.signal_rules
    ]


def at_stake(judged: Judged, unsettled: Collection[str]) -> bool:
    """Tell whether findings can change anything: one is present, or a risk waits to be settled."""
    is_present = any(finding.stage is Stage.PRESENT for finding, _ in judged.findings)
    return is_present or judged.account_id in unsettled


def _drop(
    member: Member, judged: days.JudgedDay, by_day: dict[date, float], profile: Profile
) -> Found:
    age = (judged.day - member.first_day).days
    reading = DropReading(
        ratio=judged.ratio,
        probability=judged.p_down,
        alarm=judged.alarm,
        ready=age >= RATIO_FROM_DAY,
        peer_factor=judged.peers,
        level=sum(by_day.values()) / max(1, min(age + 1, _HABIT_DAYS + profile.silence.days)),
    )
    rule = profile.drop
    return usage_drop(member.account_id, reading, rule), RiskRule(cool_down=rule.cool_down)


def _dip(member: Member, by_day: dict[date, float], profile: Profile, through: date) -> Found:
    week = sum(y for day, y in by_day.items() if through - _WEEK < day <= through)
    before = sum(y for day, y in by_day.items() if through - 2 * _WEEK < day <= through - _WEEK)
    finding = usage_dip(member.account_id, week, before, profile.dip)
    return finding, RiskRule(cool_down=profile.dip.cool_down)


def _silence(member: Member, by_day: dict[date, float], profile: Profile, through: date) -> Found:
    active = [day for day, y in by_day.items() if y > 0]
    last = max(active, default=member.first_day)
    habit = [last - timedelta(days=n) for n in range(_HABIT_DAYS)]
    working = [day for day in habit if day.weekday() < _WORKING_WEEK and day >= member.first_day]
    reading = SilenceReading(
        days_since_activity=(through - last).days,
        active_working_days=len(set(working) & set(active)),
        working_days=len(working),
    )
    rule = profile.silence
    return silence(member.account_id, reading, rule), RiskRule(cool_down=rule.cool_down)
