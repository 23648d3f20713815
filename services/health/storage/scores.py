"""Scores and their history."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from services.health.domain.score.score import Band, Score
from shared.db.transaction import Transaction


class Scored(NamedTuple):
    """A score as it was kept: when, and in which band."""

    at: datetime
    score: Score
    band: Band


async def latest(tx: Transaction, account_id: str, *, at: datetime | None = None) -> Scored | None:
    """Return the score of an account, now or as it was at a moment."""
    row = await tx.fetch_one(
        "SELECT at, band, explanation FROM scores WHERE account_id = :account_id "
        "AND (CAST(:at AS timestamptz) IS NULL OR at <= :at) ORDER BY at DESC LIMIT 1",
        account_id=account_id,
        at=at,
    )
    if row is None:
        return None
    return Scored(row["at"], msgspec.convert(row["explanation"], Score), Band(row["band"]))


async def save(tx: Transaction, account_id: str, scored: Scored) -> None:
    """Keep a score as the latest one."""
    await tx.execute(
        "UPDATE scores SET is_latest = false WHERE account_id = :account_id AND is_latest",
        account_id=account_id,
    )
    explanation: dict[str, Any] = msgspec.to_builtins(scored.score)
    await tx.execute(
        "INSERT INTO scores (account_id, at, score, band, coverage, profile, explanation, "
        "is_latest) VALUES (:account_id, :at, :score, :band, :coverage, :profile, :explanation, "
        "true) ON CONFLICT (account_id, at) DO UPDATE SET score = EXCLUDED.score, "
        "band = EXCLUDED.band, coverage = EXCLUDED.coverage, "
        "explanation = EXCLUDED.explanation, is_latest = true",
        account_id=account_id,
        at=scored.at,
        score=scored.score.value,
        band=scored.band.value,
        coverage=scored.score.coverage,
        profile=profile_label(scored.score),
        explanation=explanation,
    )


def profile_label(score: Score) -> str:
    """Return a profile's name and version, as every decision names it."""
    return f"{score.profile_name}@{score.profile_version}"
