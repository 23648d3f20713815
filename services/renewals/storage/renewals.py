"""Renewals, and which of their windows have opened."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from services.renewals.domain.account import Account
from services.renewals.domain.probability import Assessment
from services.renewals.domain.renewal import Decision, Forecast, Renewal
from services.renewals.domain.save import Save, SaveReason
from shared.db.transaction import Transaction
from shared.kernel.money import Money

# As text, and read as what it is at once: a page has 200 of them, and plain objects on the way
# would take as long again.
_COLUMNS = (
    "r.account_id, r.renewal_id, r.contract_id, r.notice_date, r.ends_on, r.amount_minor, "
    "r.currency, r.stage, CAST(r.assessment AS text) AS assessment, r.forecast, r.decision, "
    "r.version"
)
_OF_ACCOUNT = f"SELECT {_COLUMNS} FROM renewals AS r WHERE r.account_id = :account_id"
_SHOWN = (
    f"SELECT {_COLUMNS}, a.segment, a.time_zone, s.save_id, s.opened_at AS save_opened_at, "
    "CAST(s.reasons AS text) AS save_reasons FROM renewals AS r "
    "JOIN accounts AS a USING (account_id) LEFT JOIN saves AS s "
    "ON s.account_id = r.account_id AND s.renewal_id = r.renewal_id AND s.closed_at IS NULL"
)
_assessment = msgspec.json.Decoder(Assessment).decode
_reasons = msgspec.json.Decoder(tuple[SaveReason, ...]).decode


@dataclass(frozen=True, slots=True)
class ShownRenewal:
    """A renewal with what is shown beside it."""

    renewal: Renewal
    account: Account
    open_save: Save | None


async def renewal(tx: Transaction, account_id: str, renewal_id: UUID) -> Renewal | None:
    """Return a renewal of an account."""
    row = await tx.fetch_one(
        f"{_OF_ACCOUNT} AND r.renewal_id = :renewal_id",
        account_id=account_id,
        renewal_id=renewal_id,
    )
    return _renewal(row) if row else None


async def renewal_of_contract(
    tx: Transaction, account_id: str, contract_id: UUID
) -> Renewal | None:
    """Return the renewal of a contract."""
    row = await tx.fetch_one(
        f"{_OF_ACCOUNT} AND r.contract_id = :contract_id",
        account_id=account_id,
        contract_id=contract_id,
    )
    return _renewal(row) if row else None


async def undecided_renewals(tx: Transaction, account_id: str) -> list[Renewal]:
    """Return the renewals of an account that are neither won nor lost, oldest first."""
    rows = await tx.fetch_all(
        f"{_OF_ACCOUNT} AND r.decision IS NULL ORDER BY r.renewal_id", account_id=account_id
    )
    return [_renewal(row) for row in rows]


async def shown_renewal(tx: Transaction, account_id: str, renewal_id: UUID) -> ShownRenewal | None:
    """Return a renewal of an account with what is shown beside it."""
    row = await tx.fetch_one(
        f"{_SHOWN} WHERE r.account_id = :account_id AND r.renewal_id = :renewal_id",
        account_id=account_id,
        renewal_id=renewal_id,
    )
    return _shown(row) if row else None


async def renewals_of_account(
    tx: Transaction, account_id: str, *, after: UUID | None, limit: int
) -> list[ShownRenewal]:
    """Return renewals of an account, oldest first."""
    rows = await tx.fetch_all(
        f"{_SHOWN} WHERE r.account_id = :account_id "
        "AND (CAST(:after AS uuid) IS NULL OR r.renewal_id > :after) "
        "ORDER BY r.renewal_id LIMIT :limit",
        account_id=account_id,
        after=after,
        limit=limit,
    )
    return [_shown(row) for row in rows]


async def renewals_by_notice_date(
    tx: Transaction,
    *,
    at_risk: bool | None,
    before: date | None,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[ShownRenewal]:
    """Return renewals of all accounts, the most urgent notice date first.

    ``at_risk``: only those with an open save, or only those without. ``before``: only those whose
    notice date is earlier. ``after``: the notice date and id to continue after.
    """
    # Only the conditions that are asked for, so that each question has a plan of its own.
    params: dict[str, object] = {}
    where = []
    if at_risk is not None:
        where.append("r.at_risk" if at_risk else "NOT r.at_risk")
    if before is not None:
        where.append("r.notice_date < :before")
        params["before"] = before
    if after is not None:
        where.append("(r.notice_date, r.renewal_id) > (:after_date, CAST(:after_id AS uuid))")
        params |= {"after_date": after[0], "after_id": after[1]}
    rows = await tx.fetch_all(
        f"{_SHOWN} WHERE {' AND '.join(where) or 'TRUE'} "
        "ORDER BY r.notice_date, r.renewal_id LIMIT :limit",
        **params,
        limit=limit,
    )
    return [_shown(row) for row in rows]


async def add_renewal(tx: Transaction, renewal: Renewal) -> None:
    """Store a new renewal."""
    await tx.execute(
        "INSERT INTO renewals (account_id, renewal_id, contract_id, notice_date, ends_on, "
        "amount_minor, currency, stage, assessment, version) VALUES (:account_id, :renewal_id, "
        ":contract_id, :notice_date, :ends_on, :amount_minor, :currency, :stage, "
        "CAST(:assessment AS jsonb), :version)",
        account_id=renewal.account_id,
        renewal_id=renewal.renewal_id,
        contract_id=renewal.contract_id,
        notice_date=renewal.notice_date,
        ends_on=renewal.ends_on,
        amount_minor=renewal.amount.amount_minor,
        currency=renewal.amount.currency,
        stage=renewal.stage,
        assessment=renewal.assessment,
        version=renewal.version,
    )


async def save_renewal(tx: Transaction, renewal: Renewal) -> None:
    """Store a renewal as it now is."""
    await tx.execute(
        "UPDATE renewals SET notice_date = :notice_date, ends_on = :ends_on, stage = :stage, "
        "assessment = CAST(:assessment AS jsonb), forecast = CAST(:forecast AS jsonb), "
        "decision = CAST(:decision AS jsonb), version = :version "
        "WHERE account_id = :account_id AND renewal_id = :renewal_id",
        account_id=renewal.account_id,
        renewal_id=renewal.renewal_id,
        notice_date=renewal.notice_date,
        ends_on=renewal.ends_on,
        stage=renewal.stage,
        assessment=renewal.assessment,
        forecast=renewal.forecast,
        decision=renewal.decision,
        version=renewal.version,
    )


async def opened_windows(tx: Transaction, renewal: Renewal) -> set[int]:
    """Return which windows, in days, have opened for the notice date the renewal now has."""
    rows = await tx.fetch_all(
        "SELECT days FROM renewal_windows WHERE account_id = :account_id "
        "AND renewal_id = :renewal_id AND notice_date = :notice_date",
        account_id=renewal.account_id,
        renewal_id=renewal.renewal_id,
        notice_date=renewal.notice_date,
    )
    return {row["days"] for row in rows}


async def add_window(tx: Transaction, renewal: Renewal, days: int) -> bool:
    """Note that a window has opened for the renewal's notice date; False when it had before."""
    added = await tx.execute(
        "INSERT INTO renewal_windows (account_id, renewal_id, notice_date, days, opened_at) "
        "VALUES (:account_id, :renewal_id, :notice_date, :days, :now) ON CONFLICT DO NOTHING",
        account_id=renewal.account_id,
        renewal_id=renewal.renewal_id,
        notice_date=renewal.notice_date,
        days=days,
        now=tx.now,
    )
    return added == 1


def _renewal(row: RowMapping) -> Renewal:
    return Renewal(
        account_id=row["account_id"],
        renewal_id=row["renewal_id"],
        contract_id=row["contract_id"],
        notice_date=row["notice_date"],
        ends_on=row["ends_on"],
        amount=Money(row["amount_minor"], row["currency"]),
        assessment=_assessment(row["assessment"]),
        stage=row["stage"],
        forecast=msgspec.convert(row["forecast"], Forecast) if row["forecast"] else None,
        decision=msgspec.convert(row["decision"], Decision) if row["decision"] else None,
        version=row["version"],
    )


def _shown(row: RowMapping) -> ShownRenewal:
    return ShownRenewal(
        renewal=_renewal(row),
        account=Account(row["account_id"], row["segment"], row["time_zone"]),
        open_save=_open_save(row) if row["save_id"] else None,
    )


def _open_save(row: RowMapping) -> Save:
    return Save(
        account_id=row["account_id"],
        save_id=row["save_id"],
        renewal_id=row["renewal_id"],
        opened_at=row["save_opened_at"],
        reasons=_reasons(row["save_reasons"]),
    )
