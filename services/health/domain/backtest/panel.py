"""Account-landmarks: what the profile said then, and how the renewal ended."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from services.health.domain.backtest.history import Floats, History, Ints, Renewal, seen_at
from services.health.domain.backtest.plan import Plan
from services.health.domain.backtest.ranks import Ranks, ranks_at
from services.health.domain.backtest.replay import Picture, Replay
from services.health.domain.profile.profile import Profile
from services.health.domain.score.score import Band, Score, band_after, score_account

Bools = NDArray[np.bool_]
Tell = Callable[[float, str], None]
DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class Panel:
    """One entry per account and landmark, as parallel arrays.

    ``renewal`` and ``account`` point into the history, ``day`` is the landmark as an ordinal,
    ``lead`` the days to the renewal. ``subscores`` has a column per name of ``inputs``.
    """

    inputs: Sequence[str]
    account: Ints
    renewal: Ints
    day: Ints
    lead: Ints
    is_lost: Bools
    mrr: Floats
    score: Floats
    coverage: Floats
    band: Sequence[str]
    segment: Sequence[str]
    currency: Sequence[str]
    subscores: Floats

    def __len__(self) -> int:
        return len(self.account)

    @property
    def months(self) -> Floats:
        """Return the months to the renewal."""
        return self.lead / DAYS_A_MONTH

    def take(self, mask: Bools) -> "Panel":
        """Return the entries where the mask holds."""
        at: list[int] = np.flatnonzero(mask).tolist()
        return Panel(
            inputs=self.inputs,
            account=self.account[at],
            renewal=self.renewal[at],
            day=self.day[at],
            lead=self.lead[at],
            is_lost=self.is_lost[at],
            mrr=self.mrr[at],
            score=self.score[at],
            coverage=self.coverage[at],
            band=[self.band[i] for i in at],
            segment=[self.segment[i] for i in at],
            currency=[self.currency[i] for i in at],
            subscores=self.subscores[at],
        )

    def count_renewals(self) -> tuple[int, int]:
        """Return how many renewals are in it, and how many of them were lost."""
        return len(np.unique(self.renewal)), len(np.unique(self.renewal[self.is_lost]))


@dataclass(frozen=True, slots=True)
class Watched:
    """A panel, and what could not be part of it."""

    panel: Panel
    landmarks: Sequence[date]
    unseen: Sequence[tuple[int, date]]
    """Renewals and landmarks without any usage or signal of the account until then."""


@dataclass(frozen=True, slots=True)
class _Entry:
    renewal: int
    landmark: date
    score: Score
    band: Band


def watch(history: History, profile: Profile, plan: Plan, tell: Tell) -> Watched:
    """Replay history and score every account at every landmark before a renewal."""
    landmarks = _landmarks(history, plan)
    replay, upcoming = Replay(history, profile), _Upcoming(history.renewals)
    entries: list[_Entry] = []
    unseen: list[tuple[int, date]] = []
    for number, landmark in enumerate(landmarks):
        tell(number / len(landmarks), f"replaying {landmark}")
        picture = replay.at(landmark)
        ranks = ranks_at(history, profile, picture)
        for position in upcoming.at(landmark, plan):
            if picture.is_known(history.renewals[position].account):
                entries.append(_entry(history, profile, (picture, ranks), position))
            else:
                unseen.append((position, landmark))
    return Watched(_panel(history, profile, entries), landmarks, unseen)


class _Upcoming:
    """The next renewal of each account."""

    def __init__(self, renewals: Sequence[Renewal]) -> None:
        self._renewals = renewals
        self._of: dict[int, list[int]] = {}
        for position in sorted(range(len(renewals)), key=lambda i: renewals[i].day):
            self._of.setdefault(renewals[position].account, []).append(position)

    def at(self, landmark: date, plan: Plan) -> Sequence[int]:
        """Return the next renewals that a landmark looks at, one per account."""
        found = []
        for positions in self._of.values():
            days = [self._renewals[i].day for i in positions]
            place = bisect_right(days, landmark)
            if place < len(days) and self._is_open(positions[place], landmark, plan):
                found.append(positions[place])
        return found

    def _is_open(self, position: int, landmark: date, plan: Plan) -> bool:
        renewal = self._renewals[position]
        lead = (renewal.day - landmark).days
        has_begun = renewal.starts_on is None or renewal.starts_on <= landmark
        is_decided = renewal.notice_given_on is not None and renewal.notice_given_on <= landmark
        return plan.min_lead_days <= lead <= plan.horizon_days and has_begun and not is_decided


def _landmarks(history: History, plan: Plan) -> Sequence[date]:
    if not history.renewals:
        return []
    days = [renewal.day for renewal in history.renewals]
    seen = [known.known_at.date() for each in history.signals.values() for known in each]
    if len(history.usage):
        seen.append(date.fromordinal(int(history.usage.day.min())))
    first = min(seen, default=min(days)) + timedelta(days=1)
    begin = max(first, min(days) - timedelta(days=plan.horizon_days))
    end = max(days) - timedelta(days=plan.min_lead_days)
    return plan.landmarks(begin, end)


def _entry(
    history: History, profile: Profile, then: tuple[Picture, Ranks], position: int
) -> _Entry:
    picture, ranks = then
    account = history.renewals[position].account
    beside = ranks.get(history.segments[account])
    score = score_account(profile, picture.evidence(account), seen_at(picture.landmark), beside)
    band = band_after(None, score.value, score.coverage, profile)
    return _Entry(position, picture.landmark, score, band)


def _panel(history: History, profile: Profile, entries: Sequence[_Entry]) -> Panel:
    inputs = [f"{d.name}.{one.name}" for d in profile.dimensions for one in d.inputs]
    renewals = [history.renewals[entry.renewal] for entry in entries]
    days = np.array([entry.landmark.toordinal() for entry in entries], dtype=np.int64)
    due = np.array([renewal.day.toordinal() for renewal in renewals], dtype=np.int64)
    return Panel(
        inputs=inputs,
        account=np.array([renewal.account for renewal in renewals], dtype=np.int64),
        renewal=np.array([entry.renewal for entry in entries], dtype=np.int64),
        day=days,
        lead=due - days,
        is_lost=np.array([renewal.is_lost for renewal in renewals], dtype=np.bool_),
        mrr=np.array([_or_nan(renewal.mrr_minor) for renewal in renewals], dtype=np.float64),
        score=np.array([entry.score.value for entry in entries], dtype=np.float64),
        coverage=np.array([entry.score.coverage for entry in entries], dtype=np.float64),
        band=[entry.band.value for entry in entries],
        segment=[history.segments[renewal.account] for renewal in renewals],
        currency=[renewal.currency or "" for renewal in renewals],
        subscores=np.array(
            [[line.subscore for line in entry.score.lines] for entry in entries], dtype=np.float64
        ).reshape(len(entries), len(inputs)),
    )


def _or_nan(value: int | None) -> float:
    return float("nan") if value is None else float(value)


def expert_weights(profile: Profile) -> Mapping[str, float]:
    """Return each input's share of the score, 0 to 1, by "dimension.metric"."""
    total = sum(dimension.weight for dimension in profile.dimensions)
    return {
        f"{dimension.name}.{one.name}": dimension.weight
        / total
        * one.weight
        / sum(other.weight for other in dimension.inputs)
        for dimension in profile.dimensions
        for one in dimension.inputs
    }
