"""Plans and milestones as rows, and what usage reached."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from sqlalchemy import RowMapping

from services.onboarding.domain.owner import OwnerRole
from services.onboarding.domain.plan import CompletedBy, Milestone, Plan
from shared.db.transaction import Transaction


async def find(tx: Transaction, account_id: str) -> Plan | None:
    """Return the plan of an account with its milestones, or None."""
    row = await tx.fetch_one(
        "SELECT * FROM plans WHERE account_id = :account_id", account_id=account_id
    )
    if row is None:
        return None
    milestones = await tx.fetch_all(
        "SELECT * FROM milestones WHERE account_id = :account_id ORDER BY position",
        account_id=account_id,
    )
    return Plan(
        account_id=row["account_id"],
        id=row["plan_id"],
        template=row["template"],
        opened_at=row["opened_at"],
        no_upsell_until=row["no_upsell_until"],
        milestones=tuple(_milestone(each) for each in milestones),
        completed_at=row["completed_at"],
    )


async def add(tx: Transaction, plan: Plan) -> None:
    """Keep a new plan and its milestones."""
    await tx.execute(
        "INSERT INTO plans (account_id, plan_id, template, opened_at, no_upsell_until) "
        "VALUES (:account_id, :plan_id, :template, :opened_at, :no_upsell_until)",
        account_id=plan.account_id,
        plan_id=plan.id,
        template=plan.template,
        opened_at=plan.opened_at,
        no_upsell_until=plan.no_upsell_until,
    )
    await tx.execute_many(
        "INSERT INTO milestones (account_id, key, position, title, owner_role, due_on, requires, "
        "usage_milestone, is_first_value) VALUES (:account_id, :key, :position, :title, "
        ":owner_role, :due_on, CAST(:requires AS text[]), :usage_milestone, :is_first_value)",
        [_new_row(plan, position) for position in range(len(plan.milestones))],
    )


async def save_completion(tx: Transaction, plan: Plan, done: Iterable[Milestone]) -> None:
    """Keep that milestones are done, and whether the plan is.

    Only what completion changes is written: a timer may be marking a milestone overdue.
    """
    await tx.execute_many(
        "UPDATE milestones SET completed_at = :at, completed_by = :by, done_by = :done_by "
        "WHERE account_id = :account_id AND key = :key",
        [
            {
                "account_id": plan.account_id,
                "key": milestone.key,
                "at": milestone.completed_at,
                "by": milestone.completed_by,
                "done_by": milestone.done_by,
            }
            for milestone in done
        ],
    )
    await tx.execute(
        "UPDATE plans SET completed_at = :at WHERE account_id = :account_id",
        account_id=plan.account_id,
        at=plan.completed_at,
    )


async def mark_overdue(tx: Transaction, account_id: str, key: str) -> tuple[str, date] | None:
    """Mark a milestone overdue; return its plan's id and due day, None if it is done or marked."""
    row = await tx.fetch_one(
        "UPDATE milestones AS m SET overdue_at = :now FROM plans AS p "
        "WHERE m.account_id = :account_id AND m.key = :key AND p.account_id = m.account_id "
        "AND m.completed_at IS NULL AND m.overdue_at IS NULL RETURNING p.plan_id, m.due_on",
        account_id=account_id,
        key=key,
        now=tx.now,
    )
    return (row["plan_id"], row["due_on"]) if row else None


async def note_usage(tx: Transaction, account_id: str, milestone: str, at: datetime) -> None:
    """Keep when usage first reached something, for a plan opened later."""
    await tx.execute(
        "INSERT INTO usage_milestones (account_id, milestone, reached_at) "
        "VALUES (:account_id, :milestone, :at) ON CONFLICT (account_id, milestone) "
        "DO UPDATE SET reached_at = least(usage_milestones.reached_at, EXCLUDED.reached_at)",
        account_id=account_id,
        milestone=milestone,
        at=at,
    )


async def usage_reached(tx: Transaction, account_id: str) -> Mapping[str, datetime]:
    """Return what usage of the account has reached, and when, earliest first."""
    rows = await tx.fetch_all(
        "SELECT milestone, reached_at FROM usage_milestones WHERE account_id = :account_id "
        "ORDER BY reached_at, milestone",
        account_id=account_id,
    )
    return {row["milestone"]: row["reached_at"] for row in rows}


def _new_row(plan: Plan, position: int) -> dict[str, object]:
    milestone = plan.milestones[position]
    return {
        "account_id": plan.account_id,
        "position": position,
        "key": milestone.key,
        "title": milestone.title,
        "owner_role": milestone.owner_role,
        "due_on": milestone.due_on,
        "requires": list(milestone.requires),
        "usage_milestone": milestone.usage_milestone,
        "is_first_value": milestone.is_first_value,
    }


def _milestone(row: RowMapping) -> Milestone:
    return Milestone(
        key=row["key"],
        title=row["title"],
        owner_role=OwnerRole(row["owner_role"]),
        due_on=row["due_on"],
        requires=tuple(row["requires"]),
        usage_milestone=row["usage_milestone"],
        is_first_value=row["is_first_value"],
        completed_at=row["completed_at"],
        completed_by=CompletedBy(row["completed_by"]) if row["completed_by"] else None,
        done_by=row["done_by"],
        overdue_at=row["overdue_at"],
    )
