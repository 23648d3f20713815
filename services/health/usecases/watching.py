"""Look at an account for reasons to worry: after a day is sealed, and after a signal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from services.health.domain.detector.gpr import RATIO_FROM_DAY
from services.health.domain.profile.profile import Profile, SignalRule
from services.health.domain.risk.reasons import (
    DropReading,
    SilenceReading,
    counting_times,
    fades_at,
    signal_risk,
    signal_risk_rule,
    silence,
    usage_dip,
    usage_drop,
)
from services.health.domain.risk.risk import RiskRule, Stage, Status
from services.health.domain.score.score import Signal
from services.health.domain.signal.catalogue import Catalogue, rules_in_force
from services.health.settings import load_catalogue
from services.health.storage import days, looks, risks, signals
from services.health.storage.accounts import Member
from services.health.usecases.risks import Found, Known, settle
from shared.db.transaction import Transaction
from shared.kernel.days import day_begins

_WEEK = timedelta(days=7)
_HABIT_DAYS = 42
_WORKING_WEEK = 5
_USAGE_COUNTS = timedelta(days=60)
_MOST_A_DAY = 20
_A_MOMENT = timedelta(seconds=1)
_FADING = frozenset({Status.OPEN, Status.MERGED, Status.DISMISSED})


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
    """Judge an account's signals by every fast rule, and plan when time alone changes something."""
    rules = _rules(profile, load_catalogue())
    known = (*await signals.recent(tx, account_id), *await _from_usage(tx, account_id))
    findings = [
        (signal_risk(account_id, known, rule, tx.now), signal_risk_rule(rule)) for rule in rules
    ]
    found = await settle(tx, account_id, findings, profile, caused_at)
    if found:
        due = min(_changes(tx.now, found, findings, _fading(known, rules)), default=None)
        if due is not None:
            await looks.bring_forward(tx, account_id, due)


def _rules(profile: Profile, catalogue: Catalogue) -> list[SignalRule]:
    """Return the rules in force, with every name of their signals, and what to do."""
    return [
        replace(
            rule,
            also=tuple(catalogue.names_of(rule.signals) - {rule.signal}),
            closed_by=tuple(catalogue.names_of(rule.closed_by)),
            next_step=rule.next_step or _next_step(rule, catalogue),
        )
        for rule in rules_in_force(profile, catalogue)
    ]


def _next_step(rule: SignalRule, catalogue: Catalogue) -> str:
    found = catalogue.find(rule.signal)
    return found.next_step if found else "Talk to the account's owner and agree a step."


async def _from_usage(tx: Transaction, account_id: str) -> list[Signal]:
    """Return the signals that are usage events, such as pages that were viewed.

    Usage is counted by day: each counts as observed when its day began.
    """
    named = {name: one for one in load_catalogue().types.values() for name in one.from_usage}
    since = tx.now.date() - _USAGE_COUNTS
    rows = await signals.in_usage(tx, account_id, list(named), since) if named else []
    return [
        Signal(named[row["pattern"]].name, min(tx.now, day_begins(row["day"], UTC)))
        for row in rows
        for _ in range(min(row["n"], _MOST_A_DAY))
    ]


def _fading(known: Sequence[Signal], rules: Sequence[SignalRule]) -> dict[str, datetime]:
    """Return when the reasons of rules will have faded, those that have times."""
    fading = {}
    for rule in rules:
        times = counting_times(known, rule)
        ends = fades_at(max(times), rule) if times else None
        if ends is not None:
            fading[rule.reason] = ends + _A_MOMENT
    return fading


def _changes(
    now: datetime, found: Known, findings: Sequence[Found], fading: Mapping[str, datetime]
) -> Iterator[datetime]:
    """Yield when time alone changes a risk: it fades, its cool-down ends, or it wakes."""
    present = {finding.reason for finding, _ in findings if finding.stage is Stage.PRESENT}
    for reason, (_, risk) in found.items():
        if risk.status in _FADING and reason in fading:
            yield fading[reason]
        if reason in present and risk.cool_down_until and risk.cool_down_until > now:
            yield risk.cool_down_until
        if risk.handling and risk.handling.until:
            yield risk.handling.until


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
