"""Scores: the current one of each account, and those that history keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from services.health.domain.score.history import Kept
from services.health.domain.score.score import Band, Score
from shared.db.transaction import Row, Transaction


class Scored(NamedTuple):
    """A score as it was kept: when, and in which band."""

    at: datetime
    score: Score
    band: Band


@dataclass(frozen=True, slots=True)
class Current:
    """What is remembered of an account's scores without reading explanations.

    ``said_score`` is the last one that was told; ``kept`` the last one that history keeps.
    """

    band: Band
    said_score: float | None
    changed_at: datetime
    kept: Kept


@dataclass(frozen=True, slots=True)
class Rescored:
    """A new score of an account, and what is to be remembered beside it."""

    account_id: str
    scored: Scored
    said_score: float
    changed_at: datetime
    kept_at: datetime


async def latest(tx: Transaction, account_id: str, *, at: datetime | None = None) -> Scored | None:
    """Return the score of an account, now or as it was at a moment."""
    row = await tx.fetch_one(
        "SELECT at, band, explanation FROM current_scores WHERE account_id = :account_id "
        "AND (CAST(:at AS timestamptz) IS NULL OR at <= :at)",
        account_id=account_id,
        at=at,
    )
    if row is None and at is not None:
        row = await tx.fetch_one(
            "SELECT at, band, explanation FROM scores WHERE account_id = :account_id "
            "AND at <= :at ORDER BY at DESC LIMIT 1",
            account_id=account_id,
            at=at,
        )
    return _scored(row) if row else None


async def before(tx: Transaction, account_id: str, moment: datetime) -> Scored | None:
    """Return the last score that history kept before a moment."""
    row = await tx.fetch_one(
        "SELECT at, band, explanation FROM scores WHERE account_id = :account_id "
        "AND at < :moment ORDER BY at DESC LIMIT 1",
        account_id=account_id,
        moment=moment,
    )
    return _scored(row) if row else None


async def first_at(tx: Transaction, account_id: str) -> datetime | None:
    """Return when the first score that history keeps was computed."""
    found: datetime | None = await tx.fetch_value(
        "SELECT min(at) FROM scores WHERE account_id = :account_id", account_id=account_id
    )
    return found


async def changed_at(tx: Transaction, account_id: str) -> datetime | None:
    """Return when the score last moved enough to be said, or to another band."""
    found: datetime | None = await tx.fetch_value(
        "SELECT changed_at FROM current_scores WHERE account_id = :account_id",
        account_id=account_id,
    )
    return found


async def current(tx: Transaction, account_ids: Sequence[str]) -> Mapping[str, Current]:
    """Return what is remembered of the scores of accounts."""
    rows = await tx.fetch_all(
        "SELECT c.account_id, c.band AS current_band, c.said_score, c.changed_at, k.at, k.score, "
        "k.band, k.coverage, k.profile, k.p_loss, k.model_version FROM current_scores AS c "
        "JOIN scores AS k ON k.account_id = c.account_id AND k.at = c.kept_at "
        "WHERE c.account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    return {
        row["account_id"]: Current(
            Band(row["current_band"]), row["said_score"], row["changed_at"], kept_of(row)
        )
        for row in rows
    }


async def save(tx: Transaction, rescored: Sequence[Rescored]) -> None:
    """Keep scores as the current ones."""
    rows = sorted(rescored, key=lambda one: one.account_id)
    await tx.execute(
        "INSERT INTO current_scores AS c (account_id, segment, at, score, band, coverage, "
        "profile, p_loss, model_version, explanation, said_score, changed_at, kept_at) "
        "SELECT account_id, segment, at, score, band, coverage, profile, p_loss, model_version, "
        "explanation::jsonb, said_score, changed_at, kept_at FROM unnest("
        "CAST(:account_ids AS text[]), CAST(:segments AS text[]), CAST(:ats AS timestamptz[]), "
        "CAST(:scores AS float8[]), CAST(:bands AS text[]), CAST(:coverages AS float8[]), "
        "CAST(:profiles AS text[]), CAST(:p_losses AS float8[]), CAST(:models AS int[]), "
        "CAST(:explanations AS text[]), CAST(:said AS float8[]), "
        "CAST(:changed AS timestamptz[]), CAST(:kept AS timestamptz[])) AS e(account_id, segment, "
        "at, score, band, coverage, profile, p_loss, model_version, explanation, said_score, "
        "changed_at, kept_at) ON CONFLICT (account_id) DO UPDATE SET segment = EXCLUDED.segment, "
        "at = EXCLUDED.at, score = EXCLUDED.score, band = EXCLUDED.band, "
        "coverage = EXCLUDED.coverage, profile = EXCLUDED.profile, p_loss = EXCLUDED.p_loss, "
        "model_version = EXCLUDED.model_version, explanation = EXCLUDED.explanation, "
        "said_score = EXCLUDED.said_score, changed_at = EXCLUDED.changed_at, "
        "kept_at = EXCLUDED.kept_at",
        segments=[one.scored.score.segment for one in rows],
        said=[one.said_score for one in rows],
        changed=[one.changed_at for one in rows],
        kept=[one.kept_at for one in rows],
        **_columns(rows),
    )


async def keep(tx: Transaction, rescored: Sequence[Rescored], band_changed: set[str]) -> None:
    """Add scores to history; a change of band is never thinned out.

    An account scored twice at the same moment keeps the later word.
    """
    rows = sorted(rescored, key=lambda one: one.account_id)
    await tx.execute(
        "INSERT INTO scores (account_id, at, score, band, coverage, profile, p_loss, "
        "model_version, explanation, is_kept) SELECT account_id, at, score, band, coverage, "
        "profile, p_loss, model_version, explanation::jsonb, is_kept FROM unnest("
        "CAST(:account_ids AS text[]), CAST(:ats AS timestamptz[]), CAST(:scores AS float8[]), "
        "CAST(:bands AS text[]), CAST(:coverages AS float8[]), CAST(:profiles AS text[]), "
        "CAST(:p_losses AS float8[]), CAST(:models AS int[]), CAST(:explanations AS text[]), "
        "CAST(:is_kept AS boolean[])) AS e(account_id, at, score, band, coverage, profile, "
        "p_loss, model_version, explanation, is_kept) ON CONFLICT (account_id, at) DO UPDATE SET "
        "score = EXCLUDED.score, band = EXCLUDED.band, coverage = EXCLUDED.coverage, "
        "profile = EXCLUDED.profile, p_loss = EXCLUDED.p_loss, "
        "model_version = EXCLUDED.model_version, explanation = EXCLUDED.explanation, "
        "is_kept = EXCLUDED.is_kept OR scores.is_kept",
        is_kept=[one.account_id in band_changed for one in rows],
        **_columns(rows),
    )


def profile_label(score: Score) -> str:
    """Return a profile's name and version, as every decision names it."""
    return f"{score.profile_name}@{score.profile_version}"


def kept_of(row: Row) -> Kept:
    """Read a row of history without its explanation."""
    return Kept(
        at=row["at"],
        score=row["score"],
        band=Band(row["band"]),
        coverage=row["coverage"],
        profile=row["profile"],
        p_loss=row["p_loss"],
        model_version=row["model_version"],
    )


def as_kept(scored: Scored) -> Kept:
    """Return a score as history shows it."""
    score = scored.score
    return Kept(
        at=scored.at,
        score=score.value,
        band=scored.band,
        coverage=score.coverage,
        profile=profile_label(score),
        p_loss=score.p_loss,
        model_version=score.model.version if score.model else None,
    )


def _scored(row: Row) -> Scored:
    return Scored(row["at"], msgspec.convert(row["explanation"], Score), Band(row["band"]))


def _columns(rows: Sequence[Rescored]) -> dict[str, list[object]]:
    kept = [as_kept(one.scored) for one in rows]
    return {
        "account_ids": [one.account_id for one in rows],
        "ats": [one.at for one in kept],
        "scores": [one.score for one in kept],
        "bands": [one.band.value for one in kept],
        "coverages": [one.coverage for one in kept],
        "profiles": [one.profile for one in kept],
        "p_losses": [one.p_loss for one in kept],
        "models": [one.model_version for one in kept],
        "explanations": [msgspec.json.encode(one.scored.score).decode() for one in rows],
    }
