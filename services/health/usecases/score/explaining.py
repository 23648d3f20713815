"""Explain a score, now or as it was, and what changed since an earlier moment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from services.health.domain.profile.profile import Profile
from services.health.domain.score.band_words import band_in_words
from services.health.domain.score.difference import (
    Difference,
    difference,
    evidence_of,
    judged_by,
)
from services.health.domain.score.loss_model import LossModel
from services.health.domain.score.moments import parse_moment
from services.health.domain.score.score import Context, Evidence, Score, score_account
from services.health.domain.score.showing import shown_difference, shown_score
from services.health.domain.score.wording import headline, moment_in_words
from services.health.storage.score import fitted, scores
from services.health.storage.score.scores import Scored
from services.health.storage.signal import signals
from services.health.usecases.accounts import known_account
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.score.comparing import read_comparisons
from shared.db.transaction import Transaction
from shared.kernel.days import zone_of
from shared.kernel.errors import NotFound

_DAYS_A_MONTH = 365.25 / 12


class NotScoredYet(NotFound):
    """The account has no score for that moment."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the profiles and models of earlier decisions are found, by name and version."""

    profile: Callable[[Transaction, str, int], Awaitable[Profile | None]]
    model: Callable[[Transaction, Profile, int], Awaitable[LossModel | None]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An earlier score, and the difference to it; ``asked`` is the moment that was asked for."""

    asked: datetime
    before: Scored
    found: Difference
    headline: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, and what it is compared with.

    ``band_in_words`` is empty where the profile that gave the band is no longer at hand.
    """

    account_id: str
    time_zone: str
    scored: Scored
    band_in_words: str
    compared: Comparison | None


async def explain(
    tx: Transaction, account_id: str, *, at: str | None, since: str | None, archive: Archive
) -> Explanation:
    """Explain an account's score at a moment, and the difference to an earlier one.

    Moments are said as `parse_moment` reads them, in the account's time zone. What is returned is
    rounded as it is shown, and adds up. Raises `AccountUnknown`, `NotScoredYet`, `MomentUnclear`
    and `MomentInFuture`.
    """
    row = await known_account(tx, account_id)
    zone = zone_of(row["time_zone"])
    scored = await _scored(tx, account_id, at, zone)
    compared = None
    if since is not None:
        asked, before = await _before(tx, account_id, since, zone, scored)
        bridge = await _bridge(tx, account_id, before, scored, archive)
        found = difference(before.score, scored.score, bridge)
        compared = _compared(asked, before, scored, found, zone)
    said = await _band_in_words(tx, scored, archive)
    return Explanation(account_id, row["time_zone"], _shown(scored), said, compared)


async def _band_in_words(tx: Transaction, scored: Scored, archive: Archive) -> str:
    score = scored.score
    profile = await archive.profile(tx, score.profile_name, score.profile_version)
    if profile is None:
        return ""
    return band_in_words(scored.band, score.value, score.coverage, profile)


def _compared(
    asked: datetime, before: Scored, scored: Scored, found: Difference, zone: tzinfo
) -> Comparison:
    told = shown_difference(found, shown_score(before.score), shown_score(scored.score))
    return Comparison(asked, _shown(before), told, headline(found, asked, zone))


def _shown(scored: Scored) -> Scored:
    return scored._replace(score=shown_score(scored.score))


async def _scored(tx: Transaction, account_id: str, at: str | None, zone: tzinfo) -> Scored:
    if at is None:
        found = await scores.latest(tx, account_id)
        when = ""
    else:
        moment = parse_moment(at, tx.now, zone) or await _last_change(tx, account_id)
        found = await scores.latest(tx, account_id, at=moment)
        when = f" on {moment_in_words(moment, zone)} ({zone})"
    if found is None:
        raise NotScoredYet(f"the account {account_id!r} has no score yet{when}")
    return found


async def _before(
    tx: Transaction, account_id: str, since: str, zone: tzinfo, scored: Scored
) -> tuple[datetime, Scored]:
    moment = parse_moment(since, tx.now, zone)
    if moment is not None:
        found = await scores.latest(tx, account_id, at=min(moment, scored.at))
        if found is None:
            first = await scores.first_at(tx, account_id) or scored.at
            raise NotScoredYet(
                f"{account_id} had no score yet on {moment_in_words(moment, zone)}; its first one "
                f"is of {moment_in_words(first, zone)} ({zone}): ask for a moment after that, or "
                "for last-change"
            )
        return moment, found
    changed = min(await _last_change(tx, account_id), scored.at)
    found = await scores.before(tx, account_id, changed)
    if found is None:
        raise NotScoredYet(f"the score of {account_id} has not changed since the first one")
    return changed, found


async def _last_change(tx: Transaction, account_id: str) -> datetime:
    found = await scores.changed_at(tx, account_id)
    if found is None:
        raise NotScoredYet(f"the account {account_id!r} has no score yet")
    return found


async def _bridge(
    tx: Transaction, account_id: str, before: Scored, after: Scored, archive: Archive
) -> Score | None:
    """Judge the earlier evidence by who judged later: what a change of profile did by itself.

    None where nobody changed, or where the later profile or model is no longer at hand.
    """
    if judged_by(before.score) == judged_by(after.score):
        return None
    late = after.score
    profile = await archive.profile(tx, late.profile_name, late.profile_version)
    if profile is None:
        return None
    model = await archive.model(tx, profile, late.model.version) if late.model else None
    told = evidence_of(before.score, before.at)
    known = await signals.known_at(tx, account_id, before.at)
    compared = await read_comparisons(tx, [late.segment], [profile], before.at)
    months = _months_then(late, before.at, after.at)
    return score_account(
        profile,
        Evidence(told.observations, (*told.signals, *known)),
        before.at,
        Context(late.segment, months, compared.of(late.segment, profile), model),
    )


def _months_then(score: Score, then: datetime, now: datetime) -> float | None:
    if score.model is None:
        return None
    return score.model.months + (now - then) / timedelta(days=1) / _DAYS_A_MONTH


async def _kept_model(tx: Transaction, profile: Profile, version: int) -> LossModel | None:
    return await fitted.find(tx, profile.name, version)


KEPT = Archive(PROFILES.version, _kept_model)
"""The profiles and models as they were stored."""
