"""Score accounts again when something that counts has changed, or time has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from services.health.domain.profile.metrics import ACTIVE_USERS, EVENTS
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.standing import Standing
from services.health.domain.risk.reasons import low_score, low_score_risk_rule
from services.health.domain.score.evidence import NO_NORMAL_YET
from services.health.domain.score.history import is_worth_keeping
from services.health.domain.score.loss_model import LossModel
from services.health.domain.score.score import (
    Context,
    Evidence,
    Observation,
    band_after,
    score_account,
)
from services.health.storage.account import accounts, standing
from services.health.storage.detector import days
from services.health.storage.risk import pulses
from services.health.storage.score import fitted, scores
from services.health.storage.score.scores import Current, Rescored, Scored, as_kept, profile_label
from services.health.storage.signal import signals
from services.health.usecases.metric.metrics import observations
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.risk.pulse import compare
from services.health.usecases.risk.watching_signals import Watch, watch_all
from services.health.usecases.score.comparing import note_values, read_comparisons
from shared.contracts.health import ScoreChanged
from shared.db.jobs import each_alone
from shared.db.transaction import Database, Row, Transaction
from shared.kernel.days import day_ends, local_day, zone_of
from shared.kernel.figures import counted

_DEAD_BAND = 2.0
"""Points a score must move before it is said again; a change of band is always said."""

_AT_ONCE = 40
_AFTER_FAILURE = timedelta(minutes=5)
_METRIC_INPUTS = {EVENTS: "usage_ratio", ACTIVE_USERS: "active_users_ratio"}
_NOUNS = {EVENTS: ("event", "events"), ACTIVE_USERS: ("person", "people")}

Models = Mapping[str, LossModel]
"""The active model of each profile that has one, by the profile's label."""


@dataclass(frozen=True, slots=True)
class _Case:
    """An account that is scored: its row, who judges it, and all that is known."""

    row: Row
    profile: Profile
    evidence: Evidence
    context: Context
    before: Current | None

    @property
    def account_id(self) -> str:
        return str(self.row["account_id"])


@dataclass(frozen=True, slots=True)
class Panel:
    """Who judges accounts: profiles by account id, models by profile, and measured metrics.

    ``measured`` are observations by account id and name, beside those of the detector.
    """

    profiles: Mapping[str, Profile]
    models: Models = field(default_factory=dict)
    measured: Mapping[str, Mapping[str, Observation]] = field(default_factory=dict)


async def rescore_some(tx: Transaction) -> int:
    """Score the accounts that wait the longest, each by its profile; return how many."""
    return await _rescore_claimed(tx, await accounts.claim_rescore(tx, _AT_ONCE))


async def _rescore_claimed(tx: Transaction, rows: Sequence[Row]) -> int:
    profiles = await PROFILES.for_accounts(tx, [str(row["account_id"]) for row in rows])
    measured = await observations(tx, profiles)
    await rescore(tx, rows, Panel(profiles, await fitted.active(tx), measured))
    return len(rows)


async def rescore_singly(database: Database) -> bool:
    """Score accounts that could not be scored together, each in a transaction of its own.

    One that cannot be scored at all must not keep the others from it: it waits for a while.
    """
    async with database.transaction() as tx:
        due = await accounts.due_for_rescore(tx, _AT_ONCE)

    async def score(account_id: str) -> None:
        async with database.transaction() as tx:
            await _rescore_claimed(tx, await accounts.claim_rescore(tx, 1, only=account_id))

    async def put_off(account_id: str) -> None:
        async with database.transaction() as tx:
            await accounts.postpone_rescore(tx, account_id, tx.now + _AFTER_FAILURE)

    await each_alone("refresh_scores", due, score, put_off)
    return bool(due)


async def rescore(tx: Transaction, rows: Sequence[Row], panel: Panel) -> None:
    """Score accounts, keep the scores, say those that moved, and judge the risks.

    ``rows`` are the accounts' own, locked. The number of queries does not depend on how many
    accounts there are.
    """
    if not rows:
        return
    cases = await _cases(tx, rows, panel)
    found = [_judge(tx, case) for case in cases]
    await scores.save(tx, [rescored for rescored, _ in found])
    kept = [rescored for rescored, _ in found if rescored.kept_at == tx.now]
    if kept:
        await scores.keep(tx, kept, {one.account_id for one, is_turn in found if is_turn})
    scored = {rescored.account_id: rescored.scored for rescored, _ in found}
    await note_values(
        tx, [(case.row, case.profile, scored[case.account_id].score) for case in cases]
    )
    turned = [one.account_id for one, is_turn in found if is_turn]
    for account_id in sorted(await pulses.of_accounts(tx, turned)):
        await compare(tx, account_id)
    await _watch(tx, cases, scored)


async def _cases(tx: Transaction, rows: Sequence[Row], panel: Panel) -> list[_Case]:
    by_id = {str(row["account_id"]): row for row in rows}
    evidence = await _evidence(tx, rows, panel.measured)
    before = await scores.current(tx, list(by_id))
    today = tx.now.date()
    stands = await standing.of_accounts(tx, list(by_id), today) if panel.models else {}
    segments = {str(row["segment"]) for row in rows}
    compared = await read_comparisons(tx, segments, panel.profiles.values())
    return [
        _Case(
            row=row,
            profile=panel.profiles[account_id],
            evidence=evidence[account_id],
            context=Context(
                segment=str(row["segment"]),
                months_to_renewal=stands.get(account_id, Standing()).months_to_renewal(today),
                distributions=compared.of(str(row["segment"]), panel.profiles[account_id]),
                model=panel.models.get(panel.profiles[account_id].label),
            ),
            before=before.get(account_id),
        )
        for account_id, row in sorted(by_id.items())
    ]


def _judge(tx: Transaction, case: _Case) -> tuple[Rescored, bool]:
    """Score an account and say it when it moved; return also whether the band has turned."""
    score = score_account(case.profile, case.evidence, tx.now, case.context)
    before = case.before
    band = band_after(before.band if before else None, score.value, score.coverage, case.profile)
    scored = Scored(tx.now, score, band)
    is_turn = before is None or before.band is not band
    said = None if before is None else before.said_score
    has_moved = is_turn or said is None or abs(score.value - said) >= _DEAD_BAND
    if has_moved:
        _say(tx, case.account_id, before, scored)
    keeps = before is None or is_worth_keeping(before.kept, as_kept(scored))
    rescored = Rescored(
        account_id=case.account_id,
        scored=scored,
        said_score=score.value if has_moved or said is None else said,
        changed_at=tx.now if has_moved or before is None else before.changed_at,
        kept_at=tx.now if keeps or before is None else before.kept.at,
    )
    return rescored, is_turn


def _say(tx: Transaction, account_id: str, before: Current | None, after: Scored) -> None:
    if before is None and not after.score.coverage:
        # Nobody learns anything from half the points of an account that nothing is known of.
        return
    tx.emit(
        ScoreChanged(
            account_id=account_id,
            score=after.score.value,
            band=after.band.value,
            previous_score=before.said_score if before else None,
            previous_band=before.band.value if before else None,
            coverage=after.score.coverage,
            profile=profile_label(after.score),
        )
    )


async def _watch(tx: Transaction, cases: Sequence[_Case], scored: Mapping[str, Scored]) -> None:
    """Judge the risks that a score and the signals speak for."""
    watched = []
    for case in cases:
        rule, one = case.profile.low_score, scored[case.account_id]
        finding = low_score(case.account_id, one.band, one.score, rule)
        caused_at = case.row["caused_at"] or tx.now
        along = [(finding, low_score_risk_rule(rule))]
        watched.append(Watch(case.account_id, case.profile, caused_at, along))
    await watch_all(tx, watched)


async def _evidence(
    tx: Transaction, rows: Sequence[Row], measured: Mapping[str, Mapping[str, Observation]]
) -> Mapping[str, Evidence]:
    ids = [str(row["account_id"]) for row in rows]
    judged = await days.latest_judged_of(tx, ids)
    known = await signals.recent_of(tx, ids)
    return {
        row["account_id"]: Evidence(
            {
                **measured.get(row["account_id"], {}),
                **_observed(row, judged.get(row["account_id"], {}), tx.now),
            },
            known.get(row["account_id"], ()),
        )
        for row in rows
    }


def _observed(
    row: Row, judged: Mapping[str, days.JudgedDay], now: datetime
) -> Mapping[str, Observation]:
    if row["last_active_at"] is None:
        return {}
    zone = zone_of(row["time_zone"])
    observations = {
        _METRIC_INPUTS[metric]: Observation(
            value=day.ratio,
            at=day_ends(day.day, zone),
            baseline=_newest_day(metric, day) if day.is_ready else NO_NORMAL_YET,
        )
        for metric, day in judged.items()
    }
    if not _is_awaited(row, zone, now):
        observations["days_since_activity"] = _silence(row, zone, now)
    return observations


def _newest_day(metric: str, day: days.JudgedDay) -> str:
    """Say the newest day: the ratio weighs some two weeks, and the day may say something else."""
    seen = counted(round(day.y), *_NOUNS[metric])
    alone = f"on {day.day} alone {seen} where {day.mu:.1f} were expected"
    return f"{alone}, {day.unwatched.in_words()}" if day.unwatched else alone


def _is_awaited(row: Row, zone: tzinfo, now: datetime) -> bool:
    """Tell whether usage of days past may still be on its way: silence would be a guess."""
    if row["sealed_through"] is not None:
        return False
    return (local_day(now, zone) - local_day(row["last_active_at"], zone)).days > 1


def _silence(row: Row, zone: tzinfo, now: datetime) -> Observation:
    last = local_day(row["last_active_at"], zone)
    today = max(row["sealed_through"] or last, last)
    return Observation(float((today - last).days), min(now, day_ends(today, zone)), "")
