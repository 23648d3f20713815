"""Score accounts again when something that counts has changed."""

from datetime import datetime, tzinfo

from services.health.domain.profile.profile import Profile
from services.health.domain.risk.reasons import low_score, low_score_risk_rule
from services.health.domain.score.score import Evidence, Observation, band_after, score_account
from services.health.storage import accounts, days, scores, signals
from services.health.storage.scores import Scored, profile_label
from services.health.usecases.pulse import compare
from services.health.usecases.risks import settle
from services.health.usecases.watching import watch_signals
from shared.contracts.health import ScoreChanged
from shared.db.transaction import Row, Transaction
from shared.kernel.days import day_ends, local_day, zone_of

_DEAD_BAND = 2.0
"""Points a score must move before it is said again; a change of band is always said."""

_AT_ONCE = 20
_METRIC_INPUTS = {days.EVENTS: "usage_ratio", days.ACTIVE_USERS: "active_users_ratio"}


async def rescore_some(tx: Transaction, profile: Profile) -> int:
    """Score the accounts that wait the longest; return how many."""
    rows = await accounts.claim_rescore(tx, _AT_ONCE)
    for row in sorted(rows, key=lambda row: str(row["account_id"])):
        caused_at = row["caused_at"] or tx.now
        await rescore(tx, row["account_id"], profile, caused_at)
        await watch_signals(tx, row["account_id"], profile, caused_at)
    return len(rows)


async def rescore(tx: Transaction, account_id: str, profile: Profile, caused_at: datetime) -> None:
    """Compute an account's score, keep it, and say it when it moved."""
    evidence = await _evidence(tx, account_id)
    score = score_account(profile, evidence, tx.now)
    before = await scores.latest(tx, account_id)
    band = band_after(before.band if before else None, score.value, score.coverage, profile)
    await scores.save(tx, account_id, Scored(tx.now, score, band))
    _say(tx, account_id, before, Scored(tx.now, score, band))
    if before is None or before.band is not band:
        await compare(tx, account_id)
    finding = low_score(account_id, band, score, profile.low_score)
    rule = low_score_risk_rule(profile.low_score)
    await settle(tx, account_id, [(finding, rule)], profile, caused_at)


def _say(tx: Transaction, account_id: str, before: Scored | None, after: Scored) -> None:
    is_same_band = before is not None and before.band is after.band
    moved = abs(after.score.value - before.score.value) if before else _DEAD_BAND
    if is_same_band and moved < _DEAD_BAND:
        return
    tx.emit(
        ScoreChanged(
            account_id=account_id,
            score=after.score.value,
            band=after.band.value,
            previous_score=before.score.value if before else None,
            previous_band=before.band.value if before else None,
            coverage=after.score.coverage,
            profile=profile_label(after.score),
        )
    )


async def _evidence(tx: Transaction, account_id: str) -> Evidence:
    row = await accounts.get(tx, account_id)
    observations: dict[str, Observation] = {}
    if row is not None and row["last_active_at"] is not None:
        zone = zone_of(row["time_zone"])
        for metric, judged in (await days.latest_judged(tx, account_id)).items():
            observations[_METRIC_INPUTS[metric]] = Observation(
                value=judged.ratio,
                at=day_ends(judged.day, zone),
                baseline=f"{judged.mu:.1f} expected on {judged.day}, {judged.y:g} seen",
            )
        observations["days_since_activity"] = _silence(row, zone, tx.now)
    return Evidence(observations, await signals.recent(tx, account_id))


def _silence(row: Row, zone: tzinfo, now: datetime) -> Observation:
    last = local_day(row["last_active_at"], zone)
    today = max(row["sealed_through"] or last, last)
    return Observation(float((today - last).days), min(now, day_ends(today, zone)), "")
