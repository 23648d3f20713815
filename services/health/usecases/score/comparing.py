"""Compare accounts with similar ones: note their values, and keep the distributions fresh."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.health.domain.profile.profile import Profile
from services.health.domain.score.percentile import Distribution
from services.health.domain.score.score import Score
from services.health.settings import COMPARED_EVERY
from services.health.storage.score import distributions
from services.health.storage.score.distributions import InputValue, Key
from shared.db.transaction import Row, Transaction


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The distributions of segments that are in force."""

    found: Mapping[Key, Distribution]

    def of(self, segment: str, profile: Profile) -> Mapping[str, Distribution]:
        """Return what a profile compares an account of a segment with, by input."""
        keys = {name: (segment, name, days) for name, days in profile.ranked().items()}
        return {name: self.found[key] for name, key in keys.items() if key in self.found}


async def read_comparisons(
    tx: Transaction,
    segments: Iterable[str],
    profiles: Iterable[Profile],
    at: datetime | None = None,
) -> Comparisons:
    """Return the distributions in force, now or at a moment; no query where none is needed."""
    if not any(profile.ranked() for profile in _each(profiles)):
        return Comparisons({})
    return Comparisons(await distributions.in_force(tx, sorted(segments), at or tx.now))


async def note_values(tx: Transaction, scored: Sequence[tuple[Row, Profile, Score]]) -> None:
    """Note the values that others will be compared with; each account by its own row."""
    values = [
        InputValue(
            row["account_id"], line.metric, row["segment"], line.value, _seen_at(tx, line.age_days)
        )
        for row, profile, score in scored
        if (names := profile.ranked())
        for line in score.lines
        if line.metric in names and line.value is not None and line.age_days is not None
    ]
    if values:
        await distributions.note_values(tx, values)


async def compute_distributions(
    tx: Transaction, profiles: Iterable[Profile], keep: timedelta
) -> bool:
    """Compute every distribution that a profile asks for, unless it was done a short while ago.

    Distributions older than ``keep`` are forgotten: no detailed score refers to them any more.
    """
    wanted = {window for profile in _each(profiles) for window in profile.ranked().items()}
    if not wanted:
        return False
    last = await distributions.last_computed(tx)
    if last is not None and tx.now - last < COMPARED_EVERY:
        return False
    for name, days in sorted(wanted):
        await distributions.compute(tx, name, timedelta(days=days))
    await distributions.forget(tx, tx.now - keep)
    return True


def _each(profiles: Iterable[Profile]) -> list[Profile]:
    """Return profiles without those that come again: all accounts of a batch name theirs."""
    return list({id(profile): profile for profile in profiles}.values())


def _seen_at(tx: Transaction, age_days: float) -> datetime:
    return tx.now - timedelta(days=age_days)
