"""Look at an account for reasons to worry after a signal, and when time alone may change one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

from services.health.domain.profile.profile import Profile, SignalRule
from services.health.domain.risk.reasons import (
    Retraction,
    after_retraction,
    counting_times,
    fades_at,
    signal_risk,
    signal_risk_rule,
)
from services.health.domain.risk.risk import Stage, Status
from services.health.domain.score.score import Signal
from services.health.domain.signal.catalogue import Catalogue, rules_in_force
from services.health.storage.risk import risks
from services.health.storage.score import looks
from services.health.storage.signal import signals
from services.health.storage.usage import usage
from services.health.usecases.files.files import load_catalogue
from services.health.usecases.risk.risks import Found, Judged, Known, settle_all
from shared.db.transaction import Transaction
from shared.kernel.days import day_begins, zone_of

_USAGE_COUNTS = timedelta(days=60)
_MOST_A_DAY = 20
_A_MOMENT = timedelta(seconds=1)
_FADING = frozenset({Status.OPEN, Status.MERGED, Status.DISMISSED})


async def watch_signals(
    tx: Transaction,
    account_id: str,
    profile: Profile,
    caused_at: datetime,
    mistake: Retraction | None = None,
) -> None:
    """Judge an account's signals by every fast rule, and plan when time alone changes something."""
    await watch_all(tx, [Watch(account_id, profile, caused_at, mistake=mistake)])


@dataclass(frozen=True, slots=True)
class Watch:
    """An account whose signals are to be judged, by whom, and what was found along with them.

    `mistake` is the signal that was just taken back, if that is why.
    """

    account_id: str
    profile: Profile
    caused_at: datetime
    along: Sequence[Found] = ()
    mistake: Retraction | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    judged: Judged
    fading: Mapping[str, datetime]

    def is_at_stake(self, unsettled: Collection[str]) -> bool:
        """Tell whether anything can change: a finding is present, or a risk is not over."""
        is_present = any(finding.stage is Stage.PRESENT for finding, _ in self.judged.findings)
        return is_present or self.judged.account_id in unsettled


async def watch_all(tx: Transaction, watches: Sequence[Watch]) -> None:
    """Judge the signals of accounts, and plan when time alone changes something.

    Only accounts that something may change at are settled one by one.
    """
    ids = [watch.account_id for watch in watches]
    zones = {each: zone_of(g.time_zone) for each, g in (await usage.groups(tx, ids)).items()}
    told = await signals.recent_of(tx, ids)
    used = await _from_usage(tx, ids, zones)
    unsettled = await risks.with_unsettled(tx, ids)
    # Many accounts have few profiles: their rules are put together once.
    profiles = {id(watch.profile): watch.profile for watch in watches}
    rules = {key: _rules(profile, load_catalogue()) for key, profile in profiles.items()}
    cases = []
    for watch in watches:
        known = (*told.get(watch.account_id, ()), *used.get(watch.account_id, ()))
        zone = zones.get(watch.account_id, UTC)
        cases.append(_case(watch, known, rules[id(watch.profile)], tx.now, zone))
    chosen = {case.judged.account_id: case for case in cases if case.is_at_stake(unsettled)}
    for account_id, found in (await settle_all(tx, [c.judged for c in chosen.values()])).items():
        due = min(_changes(tx.now, found, chosen[account_id]), default=None)
        if due is not None:
            await looks.bring_forward(tx, account_id, due)


def _case(
    watch: Watch,
    known: Sequence[Signal],
    rules: Sequence[SignalRule],
    now: datetime,
    zone: tzinfo,
) -> _Case:
    findings = []
    for rule in rules:
        finding = signal_risk(watch.account_id, known, rule, now, zone)
        if watch.mistake is None:
            findings.append((finding, signal_risk_rule(rule)))
        else:
            findings.append(after_retraction(finding, rule, watch.mistake))
    judged = Judged(watch.account_id, [*watch.along, *findings], watch.profile, watch.caused_at)
    return _Case(judged, _fading(known, rules))


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


async def _from_usage(
    tx: Transaction, account_ids: Sequence[str], zones: Mapping[str, tzinfo]
) -> Mapping[str, list[Signal]]:
    """Return the signals that are usage events, such as pages that were viewed, by account.

    Usage is counted by the account's day: each counts as observed when that day began.
    """
    named = {name: one for one in load_catalogue().types.values() for name in one.from_usage}
    since = tx.now.date() - _USAGE_COUNTS
    rows = await signals.in_usage(tx, account_ids, list(named), since) if named else []
    found: dict[str, list[Signal]] = {}
    for row in rows:
        began = day_begins(row["day"], zones.get(row["account_id"], UTC))
        signal = Signal(named[row["pattern"]].name, min(tx.now, began))
        found.setdefault(row["account_id"], []).extend([signal] * min(row["n"], _MOST_A_DAY))
    return found


def _fading(known: Sequence[Signal], rules: Sequence[SignalRule]) -> dict[str, datetime]:
    """Return when the reasons of rules will have faded, those that have times."""
    fading = {}
    for rule in rules:
        times = counting_times(known, rule)
        ends = fades_at(max(times), rule) if times else None
        if ends is not None:
            fading[rule.reason] = ends + _A_MOMENT
    return fading


def _changes(now: datetime, found: Known, case: _Case) -> Iterator[datetime]:
    """Yield when time alone changes a risk: it fades, its cool-down ends, or it wakes."""
    present = {
        finding.reason for finding, _ in case.judged.findings if finding.stage is Stage.PRESENT
    }
    for reason, (_, risk) in found.items():
        if risk.status in _FADING and reason in case.fading:
            yield case.fading[reason]
        if reason in present and risk.cool_down_until and risk.cool_down_until > now:
            yield risk.cool_down_until
        if risk.handling and risk.handling.until:
            yield risk.handling.until
