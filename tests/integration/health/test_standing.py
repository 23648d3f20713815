"""What health knows of contracts, onboarding and renewals."""

from datetime import date

from services.health.domain.profile.standing import LifeStage, Standing
from services.health.listeners import LISTENERS
from services.health.storage.account import standing
from shared.contracts.event import Event, Fact
from shared.contracts.onboarding import OnboardingCompleted, OnboardingStarted
from shared.contracts.renewals import ContractAmended, ContractSigned, RenewalLost
from shared.db.transaction import Database
from tests.conftest import NOON, OpenDatabase

TODAY = date(2026, 3, 2)
SIGNED = ContractSigned(
    account_id="acme",
    contract_id="c-1",
    starts_on=date(2025, 6, 1),
    ends_on=date(2026, 5, 31),
    notice_date=date(2026, 3, 2),
    auto_renew=True,
    seats=25,
    amount_minor=1_200_000,
    currency="EUR",
)


async def hear(database: Database, *facts: Fact) -> None:
    for fact in facts:
        event = Event.of(fact, time=NOON, cause=None, traceparent=None)
        (heard,) = (one for one in LISTENERS if one.fact is type(fact))
        async with database.transaction(cause=event) as tx:
            await heard.handle(tx, fact)


async def known(database: Database, account_id: str = "acme") -> Standing:
    async with database.transaction() as tx:
        return (await standing.of_accounts(tx, [account_id], TODAY))[account_id]


async def test_a_contract_gives_seats_money_a_month_and_the_way_to_renewal(
    open_database: OpenDatabase,
) -> None:
    health = await open_database("health")
    await hear(health, SIGNED)
    acme = await known(health)
    assert (acme.seats, acme.mrr_minor, acme.currency) == (25, 100_000, "EUR")
    assert acme.months_to_renewal(TODAY) == 90 / (365.25 / 12)
    assert acme.life_stage(TODAY) is LifeStage.ESTABLISHED


async def test_an_amendment_moves_the_end(open_database: OpenDatabase) -> None:
    health = await open_database("health")
    amended = ContractAmended(
        account_id="acme",
        contract_id="c-1",
        ends_on=date(2026, 8, 31),
        notice_date=date(2026, 6, 2),
        auto_renew=True,
    )
    await hear(health, SIGNED, amended)
    assert (await known(health)).ends_on == date(2026, 8, 31)


async def test_an_open_plan_is_onboarding_in_whatever_order_its_ends_are_heard(
    open_database: OpenDatabase,
) -> None:
    health = await open_database("health")
    started = OnboardingStarted(
        account_id="acme", plan_id="p", template="t@1", no_upsell_until=TODAY
    )
    done = OnboardingCompleted(account_id="acme", plan_id="p", completed_at=NOON)
    await hear(health, started)
    assert (await known(health)).life_stage(TODAY) is LifeStage.ONBOARDING
    await hear(health, done, started)
    assert (await known(health)).life_stage(TODAY) is LifeStage.ESTABLISHED


async def test_an_account_nobody_spoke_of_stands_nowhere(open_database: OpenDatabase) -> None:
    assert await known(await open_database("health"), "nobody") == Standing()


async def test_a_lost_renewal_is_kept_as_an_outcome(open_database: OpenDatabase) -> None:
    health = await open_database("health")
    lost = RenewalLost(
        account_id="acme", renewal_id="r-1", contract_id="c-1", amount_minor=5, currency="EUR"
    )
    await hear(health, SIGNED, lost)
    async with health.transaction() as tx:
        assert await tx.fetch_value("SELECT is_lost FROM renewal_outcomes") is True
