"""What is told of onboarding and of what there is to sell."""

from collections.abc import Sequence

from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.message import Notice
from services.notifications.domain.severity import Severity
from services.notifications.listeners.words import heard_at, words
from services.notifications.usecases import alerts
from shared.bus.listeners import Listener, on
from shared.contracts.expansion import OpportunityOpened, OpportunityWithheld
from shared.contracts.onboarding import FirstValueReached, MilestoneOverdue
from shared.db.transaction import Transaction


async def tell_opportunity(tx: Transaction, fact: OpportunityOpened) -> None:
    """Tell that there is something to sell."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.OPPORTUNITY_OPENED,
        reason=fact.kind,
        severity=Severity.INFO,
        title=f"Opportunity: {words(fact.kind)}",
        explanation=fact.explanation,
        next_step="Talk to the customer while the need is fresh.",
        subject=f"opportunity:{fact.opportunity_id}",
        happened_at=heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_withheld(tx: Transaction, fact: OpportunityWithheld) -> None:
    """Tell why nothing is to be sold now."""
    until = f" until {fact.until}" if fact.until else ""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.OPPORTUNITY_WITHHELD,
        reason=fact.kind,
        severity=Severity.INFO,
        title=f"Not now: {words(fact.kind)}",
        explanation=fact.explanation,
        next_step=f"Do not offer more{until}; first settle {_holds(fact.because)}.",
        subject=f"opportunity:{fact.opportunity_id}",
        happened_at=heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_first_value(tx: Transaction, fact: FirstValueReached) -> None:
    """Tell that an account has had its first value."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.FIRST_VALUE_REACHED,
        reason="first_value",
        severity=Severity.INFO,
        title=f"First value after {fact.days} days",
        explanation="The account did for the first time what it bought the product for.",
        next_step="Congratulate them, and agree on the next outcome.",
        subject="first_value:first",
        happened_at=fact.reached_at,
    )
    await alerts.tell(tx, notice)


async def tell_overdue(tx: Transaction, fact: MilestoneOverdue) -> None:
    """Tell that a milestone of the onboarding is late."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.MILESTONE_OVERDUE,
        reason=f"milestone_overdue:{fact.milestone}",
        severity=Severity.MEDIUM,
        title=f"Overdue: {words(fact.milestone)}",
        explanation=f"The milestone was due on {fact.due_on} and is not done.",
        next_step="Ask what holds it up, and agree on a new date.",
        subject=f"milestone:{fact.plan_id}/{fact.milestone}@{fact.due_on}",
        happened_at=heard_at(tx),
    )
    await alerts.tell(tx, notice)


def _holds(names: Sequence[str]) -> str:
    """Say what holds an offer back: ``landing``, or ``risk:`` and its reason."""
    said = [
        f'the risk "{words(reason)}"' if kind == "risk" else f"the {words(name)}"
        for name in names
        for kind, _, reason in [name.partition(":")]
    ]
    return " and ".join(said)


LISTENERS: tuple[Listener, ...] = (
    on(OpportunityOpened, tell_opportunity),
    on(OpportunityWithheld, tell_withheld),
    on(FirstValueReached, tell_first_value),
    on(MilestoneOverdue, tell_overdue),
)
