"""All SQL of expansion. Rows never leave this room."""

from dataclasses import asdict
from uuid import UUID

from sqlalchemy import RowMapping

from services.expansion.domain.account import Account
from services.expansion.domain.entitlement import Entitlement
from services.expansion.domain.hold import Risk
from services.expansion.domain.opportunity import Opportunity, Status
from services.expansion.domain.utilisation import Usage, Utilisation
from shared.db.transaction import Transaction

_ACCOUNT = (
    "SELECT account_id, time_zone, usage_day, active_users_28d, no_upsell_until, "
    "near_limit_since FROM accounts WHERE account_id = :account_id"
)
_RISK = "SELECT account_id, risk_id, reason, opened_at, recovered_at FROM risks"
_OPPORTUNITY = (
    "SELECT account_id, opportunity_id, kind, status, seats, active_users_28d, usage_day, because, "
    "until, explanation, found_at, opened_at, closed_at, close_reason, closed_by, version "
    "FROM opportunities"
)


async def account(tx: Transaction, account_id: str) -> Account | None:
    """Return an account that anything is known about."""
    row = await tx.fetch_one(_ACCOUNT, account_id=account_id)
    return _account(row) if row else None


async def lock_account(tx: Transaction, account_id: str) -> Account:
    """Return an account, noted now if it was unknown; others wait until this transaction ends.

    Facts about one account come from three topics at once: without the lock a risk and a day of
    usage that arrive together would not see each other.
    """
    await tx.execute(
        "INSERT INTO accounts (account_id, time_zone) VALUES (:account_id, :time_zone) "
        "ON CONFLICT (account_id) DO NOTHING",
        account_id=account_id,
        time_zone=Account(account_id=account_id).time_zone,
    )
    row = await tx.fetch_one(f"{_ACCOUNT} FOR UPDATE", account_id=account_id)
    return _account(row) if row else Account(account_id=account_id)


async def lock_account_or_fail(tx: Transaction, account_id: str) -> Account | None:
    """Return an account, locked; fail at once with a transient error when somebody has it.

    For timers, which hold their own row already: waiting here for somebody who waits for that
    row would be a deadlock.
    """
    row = await tx.fetch_one(f"{_ACCOUNT} FOR UPDATE NOWAIT", account_id=account_id)
    return _account(row) if row else None


async def save_account(tx: Transaction, account: Account) -> None:
    """Store what is now known of an account."""
    usage = account.usage
    await tx.execute(
        "UPDATE accounts SET time_zone = :time_zone, usage_day = :usage_day, "
        "active_users_28d = :active_users_28d, no_upsell_until = :no_upsell_until, "
        "near_limit_since = :near_limit_since WHERE account_id = :account_id",
        account_id=account.account_id,
        time_zone=account.time_zone,
        usage_day=usage.day if usage else None,
        active_users_28d=usage.active_users_28d if usage else None,
        no_upsell_until=account.no_upsell_until,
        near_limit_since=account.near_limit_since,
    )


async def entitlements(tx: Transaction, account_id: str) -> list[Entitlement]:
    """Return what an account has bought."""
    rows = await tx.fetch_all(
        "SELECT account_id, contract_id, seats, starts_on, signed_at FROM entitlements "
        "WHERE account_id = :account_id ORDER BY contract_id",
        account_id=account_id,
    )
    return [Entitlement(**row) for row in rows]


async def keep_entitlement(tx: Transaction, entitlement: Entitlement) -> None:
    """Store the seats of a contract."""
    await tx.execute(
        "INSERT INTO entitlements (account_id, contract_id, seats, starts_on, signed_at) "
        "VALUES (:account_id, :contract_id, :seats, :starts_on, :signed_at) "
        "ON CONFLICT (account_id, contract_id) DO UPDATE "
        "SET seats = EXCLUDED.seats, starts_on = EXCLUDED.starts_on",
        **asdict(entitlement),
    )


async def risk(tx: Transaction, account_id: str, risk_id: str) -> Risk | None:
    """Return a risk of an account."""
    row = await tx.fetch_one(
        f"{_RISK} WHERE account_id = :account_id AND risk_id = :risk_id",
        account_id=account_id,
        risk_id=risk_id,
    )
    return Risk(**row) if row else None


async def open_risks(tx: Transaction, account_id: str) -> list[Risk]:
    """Return the open risks of an account, in the order they were found."""
    rows = await tx.fetch_all(
        f"{_RISK} WHERE account_id = :account_id AND recovered_at IS NULL "
        "ORDER BY opened_at, risk_id",
        account_id=account_id,
    )
    return [Risk(**row) for row in rows]


async def keep_risk(tx: Transaction, risk: Risk) -> None:
    """Store a risk; one that has recovered stays so."""
    await tx.execute(
        "INSERT INTO risks (account_id, risk_id, reason, opened_at, recovered_at) "
        "VALUES (:account_id, :risk_id, :reason, :opened_at, :recovered_at) "
        "ON CONFLICT (account_id, risk_id) DO UPDATE "
        "SET recovered_at = COALESCE(risks.recovered_at, EXCLUDED.recovered_at)",
        **asdict(risk),
    )


async def opportunity(tx: Transaction, account_id: str, opportunity_id: UUID) -> Opportunity | None:
    """Return an opportunity of an account."""
    row = await tx.fetch_one(
        f"{_OPPORTUNITY} WHERE account_id = :account_id AND opportunity_id = :opportunity_id",
        account_id=account_id,
        opportunity_id=opportunity_id,
    )
    return _opportunity(row) if row else None


async def live_opportunity(tx: Transaction, account_id: str, kind: str) -> Opportunity | None:
    """Return the opportunity of a kind that is withheld or open in an account."""
    row = await tx.fetch_one(
        f"{_OPPORTUNITY} WHERE account_id = :account_id AND kind = :kind "
        "AND status IN ('withheld', 'open')",
        account_id=account_id,
        kind=kind,
    )
    return _opportunity(row) if row else None


async def opportunities(
    tx: Transaction,
    *,
    account_id: str | None,
    status: Status | None,
    before: UUID | None,
    limit: int,
) -> list[Opportunity]:
    """Return opportunities, newest first: of one account or all, in one status or any.

    ``before``: the id to continue after.
    """
    rows = await tx.fetch_all(
        f"{_OPPORTUNITY} WHERE (CAST(:account_id AS text) IS NULL OR account_id = :account_id) "
        "AND (CAST(:status AS text) IS NULL OR status = :status) "
        "AND (CAST(:before AS uuid) IS NULL OR opportunity_id < :before) "
        "ORDER BY opportunity_id DESC LIMIT :limit",
        account_id=account_id,
        status=status,
        before=before,
        limit=limit,
    )
    return [_opportunity(row) for row in rows]


async def keep_opportunity(tx: Transaction, opportunity: Opportunity) -> None:
    """Store an opportunity as it now is."""
    values = asdict(opportunity)
    evidence = values.pop("utilisation")
    await tx.execute(
        "INSERT INTO opportunities (account_id, opportunity_id, kind, status, seats, "
        "active_users_28d, usage_day, because, until, explanation, found_at, opened_at, closed_at, "
        "close_reason, closed_by, version) VALUES (:account_id, :opportunity_id, :kind, :status, "
        ":seats, :active_users_28d, :day, CAST(:because AS jsonb), :until, :explanation, "
        ":found_at, :opened_at, :closed_at, :close_reason, :closed_by, :version) "
        "ON CONFLICT (account_id, opportunity_id) DO UPDATE SET status = EXCLUDED.status, "
        "seats = EXCLUDED.seats, active_users_28d = EXCLUDED.active_users_28d, "
        "usage_day = EXCLUDED.usage_day, because = EXCLUDED.because, until = EXCLUDED.until, "
        "explanation = EXCLUDED.explanation, opened_at = EXCLUDED.opened_at, "
        "closed_at = EXCLUDED.closed_at, close_reason = EXCLUDED.close_reason, "
        "closed_by = EXCLUDED.closed_by, version = EXCLUDED.version",
        **{**values, **evidence, "because": list(opportunity.because)},
    )


def _account(row: RowMapping) -> Account:
    has_usage = row["usage_day"] is not None
    return Account(
        account_id=row["account_id"],
        time_zone=row["time_zone"],
        usage=Usage(row["usage_day"], row["active_users_28d"]) if has_usage else None,
        no_upsell_until=row["no_upsell_until"],
        near_limit_since=row["near_limit_since"],
    )


def _opportunity(row: RowMapping) -> Opportunity:
    values = dict(row)
    utilisation = Utilisation(
        values.pop("seats"), values.pop("active_users_28d"), values.pop("usage_day")
    )
    return Opportunity(**{**values, "utilisation": utilisation, "because": tuple(row["because"])})
