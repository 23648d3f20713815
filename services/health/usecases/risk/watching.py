"""Look at accounts for reasons to worry after their days are sealed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np

from services.health.domain.detector.budget import BAND_EDGES, band_of, p_star_of
from services.health.domain.detector.gpr import ALARM_FROM_DAY, RATIO_FROM_DAY, expected_vote
from services.health.domain.detector.peers import NO_PEER_LEVEL, USUAL_DAYS, PeerLevel, peer_level
from services.health.domain.detector.recent import RecentUsage
from services.health.domain.detector.replay import Mask
from services.health.domain.profile.metrics import EVENTS
from services.health.domain.profile.profile import DropRule, Profile, SilenceRule
from services.health.domain.risk.drops import (
    RARE_CHANCE,
    ActiveDaysReading,
    DropReading,
    accepted,
    active_days_drop,
    lingering,
    suspended,
    told_with,
    usage_drop,
)
from services.health.domain.risk.reasons import (
    DipReading,
    SilenceReading,
    silence,
    usage_dip,
)
from services.health.domain.risk.risk import RiskRule
from services.health.storage.account.accounts import PeerGroup
from services.health.storage.detector import alarms, peers
from services.health.storage.detector.alarms import InForce
from services.health.storage.detector.detector import Rows
from services.health.storage.risk import risks
from services.health.usecases.detector.planning import Sealing
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.risk.risks import Found, settle
from shared.db.transaction import Transaction

_WEEKS_BEFORE = timedelta(days=6 + USUAL_DAYS)

Thresholds = Mapping[tuple[str, int], InForce]


@dataclass(frozen=True)
class Watched:
    """Accounts whose days were sealed, as arrays: through which day, and what is kept of them.

    `is_off`: the last day was not judged, because monitoring is suspended. `is_rebased`: a person
    accepted its usage as normal.
    """

    account_ids: Sequence[str]
    through: Sequence[date]
    rows: Rows
    is_off: Mask
    is_rebased: Mask

    @cached_property
    def recent(self) -> RecentUsage:
        """What the last weeks say."""
        return RecentUsage.of(self.rows.recent, np.array([day.weekday() for day in self.through]))


async def watch_sealed(tx: Transaction, work: Sealing, seen: Watched) -> None:
    """Judge what the sealed days of accounts say: a drop, a dip, silence, fewer active days.

    Only accounts that something may have happened to are looked at one by one.
    """
    thresholds = await alarms.in_force(tx, work.profile.name)
    profiles = await _profiles(tx, work, seen.account_ids)
    suspects = _suspects_by_profile(seen, profiles, thresholds)
    at_stake = await risks.with_unsettled(tx, seen.account_ids)
    chosen = [n for n, one in enumerate(seen.account_ids) if suspects[n] or one in at_stake]
    if not chosen:
        return
    by_day = {
        day: await _peer_levels(tx, work.group, day) for day in {seen.through[n] for n in chosen}
    }
    for n in chosen:
        judge = Judge(seen, n, profiles[n], thresholds, by_day[seen.through[n]])
        await settle(tx, seen.account_ids[n], judge.findings(), profiles[n], work.caused_at)


async def _profiles(tx: Transaction, work: Sealing, account_ids: Sequence[str]) -> list[Profile]:
    """Return who judges each account: one that is landing may have another than its group."""
    usual = (await PROFILES.current(tx)).for_segment(work.group.segment)
    chosen = await PROFILES.for_accounts(tx, account_ids)
    found = (chosen[account_id] for account_id in account_ids)
    # The book hands out one object: comparing them by value took a tenth of sealing.
    return [work.profile if profile is usual else profile for profile in found]


async def _peer_levels(tx: Transaction, group: PeerGroup, day: date) -> Mapping[str, PeerLevel]:
    first = await peers.first_day(tx, group)
    age = (day - first).days + 1 if first else 0
    is_alarming = await alarms.open_segment_alarm(tx, group) is not None
    weeks = await peers.days(tx, group, (day - _WEEKS_BEFORE, day))
    return {name: peer_level(days, age, is_alarming=is_alarming) for name, days in weeks.items()}


def _suspects_by_profile(
    seen: Watched, profiles: Sequence[Profile], thresholds: Thresholds
) -> Mask:
    suspects = np.zeros(len(profiles), dtype=bool)
    for label in {profile.label for profile in profiles}:
        here = np.array([profile.label == label for profile in profiles])
        judge = profiles[int(np.argmax(here))]
        suspects |= here & _suspects(seen, judge, thresholds)
    return suspects


def _suspects(seen: Watched, profile: Profile, thresholds: Thresholds) -> Mask:
    """Return which accounts any rule may have something to say about."""
    recent, dip = seen.recent, profile.dip
    change = recent.last_week - recent.week_before
    suspects = (recent.week_before >= dip.min_events) & (change <= dip.change * recent.week_before)
    suspects |= _is_missed(recent, profile.silence)
    suspects |= _is_little(seen) & (recent.fewer_days_by_chance() <= RARE_CHANCE)
    for name, record in seen.rows.records.items():
        p_stars = [
            _p_star(thresholds, name, band, profile.drop) for band in range(1, len(BAND_EDGES) + 1)
        ]
        is_armed = record.state.age > ALARM_FROM_DAY
        suspects |= is_armed & (record.probability >= p_star_of(record.level, p_stars))
    result: Mask = suspects & ~seen.is_off
    return result


def _is_missed(recent: RecentUsage, rule: SilenceRule) -> Mask:
    """Return who is silent and used to come; who left long ago has no habit that is known."""
    missed: Mask = (
        (recent.silent_days >= rule.days)
        & (recent.working_days >= rule.habit_working_days)
        & (recent.active_working_days >= rule.habit_share * recent.working_days)
    )
    return missed


def _is_little(seen: Watched) -> Mask:
    little: Mask = band_of(seen.rows.records[EVENTS].level) == 0
    return little


def _p_star(thresholds: Thresholds, metric: str, band: int, rule: DropRule) -> float:
    known = thresholds.get((metric, band))
    return known.threshold.p_star if known else rule.alarm_probability


@dataclass(frozen=True, slots=True)
class Judge:
    """One account of those that were sealed, looked at by every rule about usage."""

    seen: Watched
    at: int
    profile: Profile
    thresholds: Thresholds
    levels: Mapping[str, PeerLevel] = field(default_factory=dict)

    def findings(self) -> list[Found]:
        """Return what the rules say; nothing is held against a suspended account."""
        found = [
            *self._drops(),
            *self._dip(),
            self._silence(),
            self._active_days(),
        ]
        if self.seen.is_off[self.at]:
            # Nothing is over: when it is judged again, what is still so is told again.
            return [(suspended(finding), RiskRule(cool_down=timedelta(0))) for finding, _ in found]
        return found

    def _drops(self) -> list[Found]:
        """Return a finding per metric; while all usage is down, that is told once, with the rest.

        An open drop of another metric stays open meanwhile, and ends by itself.
        """
        records = self.seen.rows.records
        found = {metric: self._drop(metric) for metric in records}
        usage, rule = found[EVENTS]
        others = {f"{name}_ratio": float(records[name].ratio[self.at]) for name in records}
        del others[f"{EVENTS}_ratio"]
        found[EVENTS] = replace(usage, evidence={**usage.evidence, **others}), rule
        if records[EVENTS].peak[self.at] < float(usage.evidence["threshold"]):
            return list(found.values())
        rest = {metric: one for metric, one in found.items() if metric != EVENTS}
        together = told_with(found[EVENTS][0], [finding for finding, _ in rest.values()])
        return [(together, rule), *((lingering(finding), own) for finding, own in rest.values())]

    def _drop(self, metric: str) -> Found:
        record, rule, n = self.seen.rows.records[metric], self.profile.drop, self.at
        age, level = record.state.age[n], float(record.level[n])
        band = int(band_of(record.level[[n]])[0])
        known = self.thresholds.get((metric, band))
        threshold = _p_star(self.thresholds, metric, band, rule)
        probability = float(record.probability[n])
        reading = DropReading(
            ratio=float(record.ratio[n]),
            probability=probability,
            # The risk's own life cycle keeps it from being told twice: an alarm is a state.
            alarm=bool(age > ALARM_FROM_DAY and band > 0 and probability >= threshold),
            ready=bool(age > RATIO_FROM_DAY),
            level=level,
            peers=self._others(metric),
            metric=metric,
            threshold=threshold,
            version=known.version if known else 0,
        )
        finding = usage_drop(self.seen.account_ids[n], reading, rule)
        if self.seen.is_rebased[n]:
            finding = accepted(finding)
        return finding, RiskRule(cool_down=rule.cool_down)

    def _others(self, metric: str) -> PeerLevel:
        """Where the others of the segment are."""
        record = self.seen.rows.records[metric]
        vote = float(expected_vote(record.state.take([self.at]))[0])
        level = self.levels.get(metric, NO_PEER_LEVEL)
        return level.of_others(vote, float(record.ratio[self.at]))

    def _dip(self) -> list[Found]:
        recent, rule = self.seen.recent, self.profile.dip
        week, before = float(recent.last_week[self.at]), float(recent.week_before[self.at])
        if np.isnan(week + before):  # a day in them was not judged, or is before the account
            return []
        events = self.seen.rows.records[EVENTS]
        is_ready = events.state.age[self.at] > RATIO_FROM_DAY
        ratio = float(events.ratio[self.at]) if is_ready else None
        reading = DipReading(week, before, ratio, self._others(EVENTS))
        exit_ratio = self.profile.drop.exit_ratio
        finding = usage_dip(self.seen.account_ids[self.at], reading, rule, exit_ratio)
        return [(finding, RiskRule(cool_down=rule.cool_down))]

    def _silence(self) -> Found:
        recent, rule = self.seen.recent, self.profile.silence
        reading = SilenceReading(
            days_since_activity=int(recent.silent_days[self.at]),
            active_working_days=int(recent.active_working_days[self.at]),
            working_days=int(recent.working_days[self.at]),
        )
        finding = silence(self.seen.account_ids[self.at], reading, rule)
        return finding, RiskRule(cool_down=rule.cool_down)

    def _active_days(self) -> Found:
        recent = self.seen.recent
        reading = ActiveDaysReading(
            active_days=int(recent.active_days[self.at]),
            active_before=int(recent.active_before[self.at]),
            chance=float(recent.fewer_days_by_chance()[self.at]),
            is_monitored=not bool(_is_little(self.seen)[self.at]),
        )
        finding = active_days_drop(self.seen.account_ids[self.at], reading)
        return finding, RiskRule(cool_down=self.profile.drop.cool_down)
