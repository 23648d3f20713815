"""Accounts with open risks, kept ready to be ranked."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import RowMapping

from services.health.domain.risk.risk import Risk
from shared.db.transaction import Transaction


class Ranked(NamedTuple):
    """An account with open risks; money in minor units, None where no contract is known."""

    account_id: str
    probability: float
    origin: str
    risks: Sequence[dict[str, Any]]
    mrr_minor: int | None
    currency: str | None
    value_minor: float | None
    notice_on: date | None
    ends_on: date | None


class Place(NamedTuple):
    """Where a page ended: the value that was ranked by, and the account."""

    by: float | None
    account_id: str


async def open_risks(tx: Transaction, account_id: str) -> Sequence[tuple[str, Risk]]:
    """Return the open risks of an account, with their ids, oldest first."""
    rows = await tx.fetch_all(
        "SELECT id::text AS id, risk FROM risks WHERE account_id = :account_id "
        "AND status = 'open' ORDER BY opened_at, id",
        account_id=account_id,
    )
    return [(row["id"], msgspec.convert(row["risk"], Risk)) for row in rows]


async def modelled_loss(tx: Transaction, account_id: str) -> float | None:
    """Return the probability of loss that a model gave the latest score, if one did."""
    value = await tx.fetch_value(
        "SELECT p_loss FROM current_scores WHERE account_id = :account_id", account_id=account_id
    )
    return None if value is None else float(value)


async def save(tx: Transaction, ranked: Ranked) -> None:
    """Keep where an account ranks."""
    await tx.execute(
        "INSERT INTO at_risk (account_id, probability, origin, risks, mrr_minor, currency, "
        "value_minor, notice_on, ends_on, changed_at) VALUES (:account_id, :probability, :origin, "
        ":risks, :mrr_minor, :currency, :value_minor, :notice_on, :ends_on, :now) "
        "ON CONFLICT (account_id) DO UPDATE SET probability = EXCLUDED.probability, "
        "origin = EXCLUDED.origin, risks = EXCLUDED.risks, mrr_minor = EXCLUDED.mrr_minor, "
        "currency = EXCLUDED.currency, value_minor = EXCLUDED.value_minor, "
        "notice_on = EXCLUDED.notice_on, ends_on = EXCLUDED.ends_on, "
        "changed_at = EXCLUDED.changed_at",
        now=tx.now,
        **ranked._asdict(),
    )


async def remove(tx: Transaction, account_id: str) -> None:
    """Take an account without open risks off the list."""
    await tx.execute("DELETE FROM at_risk WHERE account_id = :account_id", account_id=account_id)


async def by_probability(
    tx: Transaction, *, currency: str | None, after: Place | None, limit: int
) -> Sequence[RowMapping]:
    """Return accounts, the likeliest loss first."""
    return await tx.fetch_all(
        "SELECT * FROM at_risk WHERE (CAST(:currency AS text) IS NULL OR currency = :currency) "
        f"{_beyond('probability', after)} ORDER BY -probability, account_id LIMIT :limit",
        currency=currency,
        limit=limit,
        **_bound(after),
    )


async def by_value(
    tx: Transaction, *, currency: str, after: Place | None, limit: int
) -> Sequence[RowMapping]:
    """Return accounts of a currency, the most money at risk first."""
    return await tx.fetch_all(
        "SELECT * FROM at_risk WHERE currency = :currency AND value_minor IS NOT NULL "
        f"{_beyond('value_minor', after)} ORDER BY -value_minor, account_id LIMIT :limit",
        currency=currency,
        limit=limit,
        **_bound(after),
    )


async def without_value(
    tx: Transaction, *, after: Place | None, limit: int
) -> Sequence[RowMapping]:
    """Return accounts whose money is not known, the likeliest loss first."""
    return await tx.fetch_all(
        f"SELECT * FROM at_risk WHERE value_minor IS NULL {_beyond('probability', after)} "
        "ORDER BY -probability, account_id LIMIT :limit",
        limit=limit,
        **_bound(after),
    )


async def totals(tx: Transaction) -> Sequence[RowMapping]:
    """Return accounts, MRR and MRR times probability by currency; those without one last."""
    return await tx.fetch_all(
        "SELECT currency, count(*) AS accounts, sum(mrr_minor)::bigint AS mrr_minor, "
        "sum(value_minor) AS value_minor FROM at_risk GROUP BY currency ORDER BY currency"
    )


async def currencies(tx: Transaction) -> Sequence[str]:
    """Return the currencies of accounts at risk, walking the index instead of the rows."""
    rows = await tx.fetch_all(
        "WITH RECURSIVE each(currency) AS (SELECT min(currency) FROM at_risk UNION ALL "
        "SELECT (SELECT min(currency) FROM at_risk WHERE currency > each.currency) FROM each "
        "WHERE each.currency IS NOT NULL) SELECT currency FROM each WHERE currency IS NOT NULL"
    )
    return [row["currency"] for row in rows]


def _beyond(column: str, after: Place | None) -> str:
    """Return the condition of a later page; the first has none, so that each has its own plan."""
    if after is None:
        return ""
    return f"AND (-{column}, account_id) > (-CAST(:by AS float8), CAST(:account_id AS text))"


def _bound(after: Place | None) -> dict[str, Any]:
    return {} if after is None else {"by": after.by, "account_id": after.account_id}
