"""What onboarding does when it hears of a product backend's group, usage, or a contract."""

from services.onboarding import gateways
from services.onboarding.usecases import accounts, landing
from shared.bus.listeners import on
from shared.contracts.health import GroupIdentified, UsageMilestoneReached
from shared.contracts.renewals import ContractSigned
from shared.db.transaction import Transaction


async def heed_group(tx: Transaction, fact: GroupIdentified) -> None:
    """Open or describe the account."""
    await accounts.heed_product(tx, fact.account_id, fact.traits)


async def heed_usage_milestone(tx: Transaction, fact: UsageMilestoneReached) -> None:
    """Complete what waits for this usage."""
    await landing.heed_usage(tx, fact.account_id, fact.milestone, fact.reached_at)


async def heed_contract(tx: Transaction, fact: ContractSigned) -> None:
    """Open the account if it is unknown."""
    await accounts.heed_contract(
        tx, fact.account_id, starts_on=fact.starts_on, templates=gateways.templates()
    )


LISTENERS = (
    on(GroupIdentified, heed_group),
    on(UsageMilestoneReached, heed_usage_milestone),
    on(ContractSigned, heed_contract),
)
