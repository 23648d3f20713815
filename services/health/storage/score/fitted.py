"""Fitted models: versions that are only added, at most one in force for each profile version."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from services.health.domain.score.loss_model import LossModel
from shared.db.transaction import Row, Transaction

_LISTED = (
    "m.profile_name, m.version, m.profile_version, m.model, m.trained_at, m.is_active, "
    "m.activated_at, m.activated_by, m.forced_because, m.backtest_id, b.summary"
)


class Activation(NamedTuple):
    """Who puts a model in force, and why although it is not better, if so."""

    by: str
    forced_because: str | None


async def next_version(tx: Transaction, profile_name: str) -> int:
    """Return the next version of a profile's models; others wait until this one is kept."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('loss_models'), hashtext(:name))", name=profile_name
    )
    found = await tx.fetch_value(
        "SELECT coalesce(max(version), 0) + 1 FROM loss_models WHERE profile_name = :name",
        name=profile_name,
    )
    return int(found)


async def add(tx: Transaction, model: LossModel, backtest_id: UUID) -> None:
    """Keep a model; it is not in force."""
    await tx.execute(
        "INSERT INTO loss_models (profile_name, version, profile_version, model, backtest_id, "
        "trained_at) VALUES (:name, :version, :profile_version, :model, :backtest_id, :at)",
        name=model.profile_name,
        version=model.version,
        profile_version=model.profile_version,
        model=msgspec.to_builtins(model),
        backtest_id=backtest_id,
        at=model.trained_at,
    )


async def listed(tx: Transaction, profile_name: str) -> Sequence[Row]:
    """Return a profile's models with the figures of their back-tests, newest first."""
    return await tx.fetch_all(
        f"SELECT {_LISTED} FROM loss_models AS m JOIN backtests AS b ON b.id = m.backtest_id "
        "WHERE m.profile_name = :name ORDER BY m.version DESC",
        name=profile_name,
    )


async def get(tx: Transaction, profile_name: str, version: int) -> Row | None:
    """Return a model with the figures of its back-test, locked."""
    return await tx.fetch_one(
        f"SELECT {_LISTED} FROM loss_models AS m JOIN backtests AS b ON b.id = m.backtest_id "
        "WHERE m.profile_name = :name AND m.version = :version FOR UPDATE OF m",
        name=profile_name,
        version=version,
    )


async def find(tx: Transaction, profile_name: str, version: int) -> LossModel | None:
    """Return a model of a profile, in force or not."""
    model = await tx.fetch_value(
        "SELECT model FROM loss_models WHERE profile_name = :name AND version = :version",
        name=profile_name,
        version=version,
    )
    return msgspec.convert(model, LossModel) if model else None


async def activate(tx: Transaction, model: Row, activation: Activation) -> None:
    """Put a model in force in place of the one before it."""
    await tx.execute(
        "UPDATE loss_models SET is_active = false WHERE profile_name = :name "
        "AND profile_version = :profile_version AND is_active",
        name=model["profile_name"],
        profile_version=model["profile_version"],
    )
    await tx.execute(
        "UPDATE loss_models SET is_active = true, activated_at = :now, activated_by = :by, "
        "forced_because = :because WHERE profile_name = :name AND version = :version",
        name=model["profile_name"],
        version=model["version"],
        by=activation.by,
        because=activation.forced_because,
        now=tx.now,
    )


async def active(tx: Transaction) -> Mapping[str, LossModel]:
    """Return the models in force by the label of their profile, such as ``default@1``."""
    rows = await tx.fetch_all(
        "SELECT profile_name, profile_version, model FROM loss_models WHERE is_active"
    )
    return {
        f"{row['profile_name']}@{row['profile_version']}": msgspec.convert(row["model"], LossModel)
        for row in rows
    }
