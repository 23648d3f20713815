"""Contracts, onboardings and renewal outcomes, as other services tell them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import RowMapping

from services.health.domain.profile.standing import Standing, monthly
from shared.db.transaction import Transaction

_STANDING = """
SELECT e.account_id, c.starts_on, c.ends_on, c.notice_on, c.seats, c.amount_minor, c.currency,
       o.started_at IS NOT NULL AND o.completed_at IS NULL AS is_onboarding
FROM unnest(CAST(:account_ids AS text[])) AS e(account_id)
LEFT JOIN onboardings AS o USING (account_id)
LEFT JOIN LATERAL (
    SELECT * FROM contracts AS k WHERE k.account_id = e.account_id
    ORDER BY k.starts_on <= :today DESC, k.starts_on DESC LIMIT 1
) AS c ON true
"""


class SignedContract(NamedTuple):
    """A contract as it was signed; the amount is the term's, in minor units."""

    account_id: str
    contract_id: str
    starts_on: date
    ends_on: date
    notice_on: date
    seats: int
    amount_minor: int
    currency: str


class Outcome(NamedTuple):
    """How a renewal ended, when, and for how much."""

    account_id: str
    renewal_id: str
    contract_id: str
    resolved_at: datetime
    is_lost: bool
    amount_minor: int
    currency: str


async def sign_contract(tx: Transaction, contract: SignedContract) -> None:
    """Keep a contract."""
    await tx.execute(
        "INSERT INTO contracts (account_id, contract_id, starts_on, ends_on, notice_on, seats, "
        "amount_minor, currency) VALUES (:account_id, :contract_id, :starts_on, :ends_on, "
        ":notice_on, :seats, :amount_minor, :currency) ON CONFLICT DO NOTHING",
        **contract._asdict(),
    )


async def amend_contract(
    tx: Transaction, account_id: str, contract_id: str, *, ends_on: date, notice_on: date
) -> None:
    """Move the end and the notice date of a contract."""
    await tx.execute(
        "UPDATE contracts SET ends_on = :ends_on, notice_on = :notice_on "
        "WHERE account_id = :account_id AND contract_id = :contract_id",
        account_id=account_id,
        contract_id=contract_id,
        ends_on=ends_on,
        notice_on=notice_on,
    )


async def note_onboarding(
    tx: Transaction, account_id: str, *, started_at: datetime | None, completed_at: datetime | None
) -> None:
    """Note that an onboarding plan was opened, or that it is done; the two come in any order."""
    await tx.execute(
        "INSERT INTO onboardings AS o (account_id, started_at, completed_at) "
        "VALUES (:account_id, :started_at, :completed_at) ON CONFLICT (account_id) DO UPDATE "
        "SET started_at = coalesce(EXCLUDED.started_at, o.started_at), "
        "completed_at = coalesce(EXCLUDED.completed_at, o.completed_at)",
        account_id=account_id,
        started_at=started_at,
        completed_at=completed_at,
    )


async def note_outcome(tx: Transaction, outcome: Outcome) -> None:
    """Keep how a renewal ended: what scores are later measured by."""
    await tx.execute(
        "INSERT INTO renewal_outcomes (account_id, renewal_id, contract_id, resolved_at, is_lost, "
        "amount_minor, currency) VALUES (:account_id, :renewal_id, :contract_id, :resolved_at, "
        ":is_lost, :amount_minor, :currency) ON CONFLICT DO NOTHING",
        **outcome._asdict(),
    )


async def of_accounts(
    tx: Transaction, account_ids: Sequence[str], today: date
) -> Mapping[str, Standing]:
    """Return where accounts stand; the contract that started last, before one yet to start."""
    rows = await tx.fetch_all(_STANDING, account_ids=list(account_ids), today=today)
    return {row["account_id"]: _standing(row) for row in rows}


def _standing(row: RowMapping) -> Standing:
    if row["starts_on"] is None:
        return Standing(is_onboarding=row["is_onboarding"])
    return Standing(
        is_onboarding=row["is_onboarding"],
        starts_on=row["starts_on"],
        ends_on=row["ends_on"],
        notice_on=row["notice_on"],
        seats=row["seats"],
        mrr_minor=monthly(row["amount_minor"], row["starts_on"], row["ends_on"]),
        currency=row["currency"],
    )
