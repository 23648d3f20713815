"""A story is counted once, in whatever order its facts are heard."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from services.renewals import storage, usecases
from services.renewals.domain.renewal import Renewal
from services.renewals.domain.save import Save
from services.renewals.listeners import LISTENERS
from shared.contracts.event import Fact
from shared.db.transaction import Database
from tests.builders.renewals import an_order, risk_merged, risk_opened, risk_recovered
from tests.conftest import OpenDatabase

DIP = risk_opened("dip", "low", reason="usage_dip")
DROP = risk_opened("drop", "high", reason="usage_drop")
SILENCE = risk_opened("silence", "critical", reason="silence")
MERGED = risk_merged("dip", "drop")
IN_ANY_ORDER = list(permutations([DIP, DROP, MERGED]))
ALONE, WITH_DIP, WITH_DROP = 0.85, 0.819, 0.694

Said = tuple[str, str, float]


@pytest.fixture
async def renewals(open_database: OpenDatabase) -> Database:
    database = await open_database("renewals")
    async with database.transaction() as tx:
        await usecases.sign_contract(tx, an_order())
    return database


async def hear(database: Database, *facts: Fact) -> Sequence[Said]:
    """Hear facts as the consumer would; return what was said: type, reason, probability."""
    said: list[Said] = []
    for fact in facts:
        async with database.transaction() as tx:
            for listener in LISTENERS:
                if listener.fact is type(fact):
                    await listener.handle(tx, fact)
        said += [
            (each.type.split(".")[3], each.data["reason"], each.data["probability"])
            for each in tx.emitted
        ]
    return said


async def the_renewal(database: Database) -> Renewal:
    async with database.transaction() as tx:
        (renewal,) = await storage.undecided_renewals(tx, "acme")
    return renewal


async def counted(database: Database) -> list[str]:
    return [risk.risk_id for risk in (await the_renewal(database)).assessment.risks]


async def the_save(database: Database) -> Save:
    async with database.transaction() as tx:
        (save,) = await storage.saves(tx, account_id="acme", is_open=None, before=None, limit=10)
    return save


async def test_a_merged_risk_counts_with_the_one_that_tells_it(renewals: Database) -> None:
    await hear(renewals, DIP, DROP)

    assert await hear(renewals, MERGED) == [("renewal_reassessed", "usage_dip", WITH_DROP)]
    assert await counted(renewals) == ["drop"]
    save = await the_save(renewals)
    assert save.is_open
    assert {each.risk_id: each.told_with for each in save.reasons} == {"dip": "drop", "drop": None}


async def test_a_merger_heard_twice_changes_nothing(renewals: Database) -> None:
    await hear(renewals, DIP, DROP, MERGED)
    before = await the_renewal(renewals)

    assert await hear(renewals, MERGED, DIP, DROP, MERGED) == []
    assert await the_renewal(renewals) == before


@pytest.mark.parametrize("facts", IN_ANY_ORDER)
async def test_in_any_order_the_story_is_counted_once(
    renewals: Database, facts: tuple[Fact, ...]
) -> None:
    await hear(renewals, *facts)

    assert await counted(renewals) == ["drop"]
    assert (await the_renewal(renewals)).assessment.probability == WITH_DROP
    assert (await the_save(renewals)).is_open


@pytest.mark.parametrize("is_over_first", [False, True])
@pytest.mark.parametrize("facts", IN_ANY_ORDER)
async def test_what_outlives_the_one_that_told_it_counts_by_itself_again(
    renewals: Database, facts: tuple[Fact, ...], *, is_over_first: bool
) -> None:
    over = risk_recovered("drop")
    await hear(renewals, *((over, *facts) if is_over_first else (*facts, over)))

    assert await counted(renewals) == ["dip"]
    assert (await the_renewal(renewals)).assessment.probability == WITH_DIP
    save = await the_save(renewals)
    assert save.is_open
    assert [each.risk_id for each in save.reasons if each.gone_at is None] == ["dip"]


async def test_the_one_that_told_it_gives_it_back_in_one_word(renewals: Database) -> None:
    await hear(renewals, DIP, DROP, MERGED)

    over = await hear(renewals, risk_recovered("drop"))

    assert over == [("renewal_restored", "usage_drop", WITH_DIP)]
    assert await hear(renewals, risk_recovered("dip", "usage_dip")) == [
        ("renewal_restored", "usage_dip", ALONE)
    ]
    assert (await the_save(renewals)).outcome == "recovered"


async def test_what_is_over_while_another_tells_it_does_not_come_back(renewals: Database) -> None:
    await hear(renewals, DIP, DROP, MERGED)

    assert await hear(renewals, risk_recovered("dip", "usage_dip")) == []
    assert await hear(renewals, risk_recovered("drop")) == [
        ("renewal_restored", "usage_drop", ALONE)
    ]
    assert (await the_save(renewals)).outcome == "recovered"


async def test_a_story_may_change_who_tells_it(renewals: Database) -> None:
    into_silence = [
        risk_merged("drop", "silence", reason="usage_drop", into_reason="silence"),
        risk_merged("dip", "silence", into_reason="silence"),
    ]
    await hear(renewals, DIP, DROP, MERGED, SILENCE, *into_silence)
    assert await counted(renewals) == ["silence"]

    await hear(renewals, risk_recovered("drop"))
    assert await counted(renewals) == ["silence"]
    await hear(renewals, risk_recovered("silence", "silence"))
    assert await counted(renewals) == ["dip"]


async def test_two_risks_that_told_each_other_are_told_by_the_last_that_was_said(
    renewals: Database,
) -> None:
    turned = risk_merged("drop", "dip", reason="usage_drop", into_reason="usage_dip")

    await hear(renewals, DIP, DROP, MERGED, turned)

    assert await counted(renewals) == ["dip"]


async def test_a_contract_signed_later_starts_with_the_story_once(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("renewals")
    await hear(database, DIP, DROP, MERGED)

    async with database.transaction() as tx:
        await usecases.sign_contract(tx, an_order())

    assert await counted(database) == ["drop"]
    assert [each.risk_id for each in (await the_save(database)).reasons] == ["drop"]
