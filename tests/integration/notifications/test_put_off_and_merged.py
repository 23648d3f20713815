"""Risks that were put off and are back, and risks that others tell."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.notifications.jobs import deliver_held
from services.notifications.listeners.risks import tell_awakening
from shared.contracts.event import Event, Fact
from shared.contracts.health import RiskAwoke
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.notifications import (
    ANA,
    BEN,
    owner_assigned,
    renewal_at_risk,
    renewal_reassessed,
    renewal_restored,
    risk_awoke,
    risk_dismissed,
    risk_merged,
    risk_opened,
    risk_recovered,
    risk_snoozed,
    risk_worsened,
)
from tests.integration.notifications.conftest import Hear, Rows

HOUR = timedelta(hours=1)
INBOX = (
    "SELECT i.recipient, m.kind, m.subject, m.title, m.explanation, m.next_step FROM inbox_items i "
    "JOIN messages m ON m.id = i.message_id ORDER BY i.seq"
)
LOG = "SELECT channel, recipient, status, last_error FROM deliveries ORDER BY created_at, id"


async def kinds(rows: Rows) -> list[str]:
    return [row["kind"] for row in await rows(INBOX)]


async def test_a_risk_that_is_back_is_told_to_its_csm_with_why_and_what_to_do(
    hear: Hear, rows: Rows, clock: FixedClock
) -> None:
    await hear(owner_assigned(ANA), risk_opened())
    clock.advance(72 * HOUR)

    await hear(risk_awoke())

    _, back = await rows(INBOX)
    assert (back["recipient"], back["kind"], back["subject"]) == (
        ANA.email,
        "risk.awoke",
        "risk:r1",
    )
    assert back["title"] == "No longer put off: Usage fell by half"
    assert back["explanation"] == "Usage is at 48 % of what is normal. It was put off until now."
    assert back["next_step"] == "Call the champion."
    log = {(row["channel"], row["recipient"]) for row in await rows(LOG)}
    assert log == {("inbox", ANA.email), ("email", ANA.email)}


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (None, "It was put off; Kim woke it."),
        ("They called.", "It was put off; Kim woke it: They called."),
    ],
)
async def test_who_woke_a_risk_is_named(
    hear: Hear, rows: Rows, note: str | None, said: str
) -> None:
    # What was said before explanations were part of the fact carries none.
    await hear(owner_assigned(ANA), risk_awoke(by="Kim", note=note, explanation="", next_step=""))

    (back,) = await rows(INBOX)
    assert back["explanation"] == said
    assert back["next_step"]


async def test_a_risk_is_back_when_it_was_asked_for_even_within_the_window(
    hear: Hear, rows: Rows, database: Database, clock: FixedClock
) -> None:
    await hear(owner_assigned(ANA), risk_opened())
    for _ in range(2):
        clock.advance(2 * HOUR)
        await hear(risk_awoke())

    assert await kinds(rows) == ["risk.opened", "risk.awoke", "risk.awoke"]
    assert not await deliver_held(database)


async def test_one_awakening_heard_twice_is_told_once(
    hear: Hear, rows: Rows, database: Database, clock: FixedClock
) -> None:
    await hear(owner_assigned(ANA))
    fact: RiskAwoke = risk_awoke()
    cause = Event.of(fact, time=clock.now(), cause=None, traceparent=None)
    for _ in range(2):
        clock.advance(HOUR)
        async with database.transaction(cause=cause) as tx:
            await tell_awakening(tx, fact)

    assert await kinds(rows) == ["risk.awoke"]


async def test_a_risk_that_is_back_waits_for_an_owner_and_says_more_than_its_opening(
    hear: Hear, rows: Rows
) -> None:
    await hear(risk_opened(), risk_awoke(), owner_assigned(ANA))

    assert await kinds(rows) == ["risk.awoke"]


async def test_a_risk_that_another_tells_is_not_handed_to_a_later_owner(
    hear: Hear, rows: Rows
) -> None:
    stronger = risk_opened(risk_id="r2", reason="silence")
    await hear(risk_opened(), stronger, risk_merged(), owner_assigned(ANA))

    assert [(row["kind"], row["subject"]) for row in await rows(INBOX)] == [
        ("risk.opened", "risk:r2")
    ]
    called_off = [row for row in await rows(LOG) if row["status"] == "suppressed"]
    assert {row["last_error"] for row in called_off} == {"another alarm tells it"}


async def test_a_risk_that_was_held_back_and_then_merged_is_never_told(
    hear: Hear, rows: Rows, database: Database, clock: FixedClock
) -> None:
    await hear(owner_assigned(ANA), risk_opened(), risk_recovered())
    clock.advance(HOUR)
    await hear(risk_opened(risk_id="r3"), risk_merged(risk_id="r3"))
    clock.advance(48 * HOUR)

    assert not await deliver_held(database)
    assert await kinds(rows) == ["risk.opened", "risk.recovered"]


async def test_a_merged_risk_is_told_again_when_it_worsens_and_when_it_is_over(
    hear: Hear, rows: Rows
) -> None:
    await hear(owner_assigned(ANA), risk_opened(), risk_merged(), risk_merged())
    await hear(risk_worsened(), risk_recovered())

    assert await kinds(rows) == ["risk.opened", "risk.worsened", "risk.recovered"]


async def test_those_who_sell_read_the_corrected_figure(hear: Hear, rows: Rows) -> None:
    silence = risk_opened(risk_id="r2", reason="silence", title="The customer has gone silent")
    told = (renewal_at_risk(), renewal_reassessed())
    await hear(owner_assigned(BEN, "ae"), risk_opened(), silence, *told)

    _, corrected = await rows(INBOX)
    assert corrected["kind"] == "renewal.reassessed"
    assert corrected["title"] == "Renewal reassessed: 60 % likely, was 40 %"
    assert corrected["explanation"] == (
        '"Usage fell by half" is part of "The customer has gone silent": it counts with it, not by '
        "itself."
    )
    to_ben = [row for row in await rows(LOG) if row["recipient"] == BEN.email]
    assert [row["status"] for row in to_ben if row["channel"] == "email"] == ["pending"]


async def test_a_reassessed_renewal_is_restored_and_at_risk_again_as_any_other(
    hear: Hear, rows: Rows, clock: FixedClock
) -> None:
    await hear(owner_assigned(BEN, "ae"), renewal_at_risk(), renewal_reassessed())
    await hear(renewal_restored())
    clock.advance(25 * HOUR)
    await hear(renewal_at_risk())

    assert await kinds(rows) == [
        "renewal.at_risk",
        "renewal.reassessed",
        "renewal.restored",
        "renewal.at_risk",
    ]


@pytest.mark.parametrize("settled", [risk_snoozed, risk_dismissed])
async def test_what_a_person_has_settled_is_not_handed_to_a_later_owner(
    hear: Hear, rows: Rows, settled: Callable[[], Fact]
) -> None:
    await hear(risk_opened(), settled(), owner_assigned(ANA))

    assert await kinds(rows) == []


@pytest.mark.parametrize("settled", [risk_snoozed, risk_dismissed])
async def test_what_is_held_is_called_off_when_a_person_settles_it(
    hear: Hear,
    rows: Rows,
    database: Database,
    clock: FixedClock,
    settled: Callable[..., Fact],
) -> None:
    await hear(owner_assigned(ANA), risk_opened(), risk_recovered())
    clock.advance(HOUR)
    await hear(risk_opened(risk_id="r2"), settled(risk_id="r2"))
    clock.advance(25 * HOUR)

    assert not await deliver_held(database)
    assert await kinds(rows) == ["risk.opened", "risk.recovered"]


async def test_a_risk_that_was_put_off_before_it_was_told_is_told_when_it_is_back(
    hear: Hear, rows: Rows
) -> None:
    await hear(risk_opened(), risk_snoozed(), owner_assigned(ANA), risk_awoke())

    assert await kinds(rows) == ["risk.awoke"]
