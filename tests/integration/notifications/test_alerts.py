"""Who is told, once, and who is told later."""

import asyncio
from datetime import timedelta

import pytest

from services.notifications.domain.person import Person
from services.notifications.jobs import deliver_held
from services.notifications.listeners.risks import tell_risk
from shared.contracts.onboarding import OwnerRemoved
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.notifications import (
    ANA,
    BEN,
    account_opened,
    owner_assigned,
    renewal_at_risk,
    renewal_restored,
    renewal_window_opened,
    risk_opened,
    risk_recovered,
    risk_worsened,
)
from tests.integration.notifications.conftest import Hear, Rows

HOUR = timedelta(hours=1)
LOG = "SELECT channel, recipient, status, last_error FROM deliveries ORDER BY created_at, id"
INBOX = (
    "SELECT i.recipient, m.kind, m.subject FROM inbox_items i JOIN messages m "
    "ON m.id = i.message_id ORDER BY i.seq"
)


async def inbox(rows: Rows) -> list[tuple[str, str]]:
    return [(row["recipient"], row["kind"]) for row in await rows(INBOX)]


async def test_a_risk_goes_to_the_csm_by_inbox_and_mail(hear: Hear, rows: Rows) -> None:
    said = await hear(account_opened(), owner_assigned(ANA), risk_opened())
    assert await inbox(rows) == [(ANA.email, "risk.opened")]
    log = {(row["channel"], row["recipient"], row["status"]) for row in await rows(LOG)}
    assert log == {("inbox", ANA.email, "delivered"), ("email", ANA.email, "pending")}
    assert [event.data["channel"] for event in said] == ["inbox"]


async def test_the_same_risk_heard_twice_is_told_once(hear: Hear, rows: Rows) -> None:
    await hear(owner_assigned(ANA), risk_opened(), risk_opened(title="The same, in other words"))
    assert await inbox(rows) == [(ANA.email, "risk.opened")]


async def test_nothing_said_names_a_person(hear: Hear) -> None:
    said = await hear(owner_assigned(ANA), risk_opened())
    assert ANA.email not in str([event.to_json() for event in said])


async def test_recovery_is_a_message_of_its_own(hear: Hear, rows: Rows) -> None:
    await hear(owner_assigned(ANA), risk_opened(), risk_recovered())
    assert [kind for _, kind in await inbox(rows)] == ["risk.opened", "risk.recovered"]


async def test_a_recovery_names_what_goes_on(hear: Hear, rows: Rows) -> None:
    goes_on = risk_recovered(risk_id="r2", reason="silence", still_open="usage_drop")
    await hear(risk_opened(), goes_on, risk_recovered())
    _, silence, drop = await rows("SELECT title, next_step FROM messages ORDER BY created_at, id")
    # Nobody was told of the silence: its reason stands for its headline.
    assert (silence["title"], silence["next_step"]) == (
        "Recovered: Silence",
        'Go on: "Usage fell by half" is still open and part of the same story.',
    )
    assert (drop["title"], drop["next_step"]) == (
        "Recovered: Usage fell by half",
        "Nothing has to be done. If you were about to act on it, you can stop.",
    )


async def test_a_renewal_that_is_no_likelier_is_not_told_as_restored_and_not_handed_on(
    hear: Hear, rows: Rows
) -> None:
    same = renewal_restored(probability=0.364, previous_probability=0.358, save_closed=False)
    await hear(renewal_at_risk(), same, owner_assigned(BEN, "ae"))
    assert await inbox(rows) == []
    kinds = [row["kind"] for row in await rows("SELECT kind FROM messages")]
    assert kinds == ["renewal.at_risk"]


async def test_a_worse_risk_is_told_within_the_window(hear: Hear, rows: Rows) -> None:
    await hear(owner_assigned(ANA), risk_opened(severity="medium"), risk_worsened())
    assert [kind for _, kind in await inbox(rows)] == ["risk.opened", "risk.worsened"]


async def test_the_renewal_goes_to_those_who_sell(hear: Hear, rows: Rows) -> None:
    await hear(owner_assigned(ANA), owner_assigned(BEN, "ae"), risk_opened(), renewal_at_risk())
    assert await inbox(rows) == [(ANA.email, "risk.opened"), (BEN.email, "renewal.at_risk")]


async def test_who_is_both_csm_and_ae_is_told_of_a_reason_once(hear: Hear, rows: Rows) -> None:
    await hear(owner_assigned(ANA), owner_assigned(ANA, "ae"), risk_opened(), renewal_at_risk())
    assert await inbox(rows) == [(ANA.email, "risk.opened")]


async def test_a_risk_that_comes_back_within_the_window_is_held_until_it_ends(
    hear: Hear, rows: Rows, database: Database, clock: FixedClock
) -> None:
    await hear(owner_assigned(ANA), risk_opened(), risk_recovered())
    clock.advance(HOUR)
    await hear(risk_opened(risk_id="r2"))
    assert not await deliver_held(database)
    clock.advance(23 * HOUR)
    assert await deliver_held(database)
    assert not await deliver_held(database)
    assert [row["subject"] for row in await rows(INBOX)] == ["risk:r1", "risk:r1", "risk:r2"]


async def test_what_is_over_before_the_window_ends_is_never_told(
    hear: Hear, rows: Rows, database: Database, clock: FixedClock
) -> None:
    await hear(owner_assigned(ANA), risk_opened(), risk_recovered())
    clock.advance(HOUR)
    await hear(risk_opened(risk_id="r2"), risk_recovered(risk_id="r2"))
    clock.advance(48 * HOUR)
    assert not await deliver_held(database)
    assert len(await inbox(rows)) == 2
    suppressed = [row["last_error"] for row in await rows(LOG) if row["status"] == "suppressed"]
    assert set(suppressed) == {
        "it was over before it was told",
        "the same was told within the window",
    }


async def test_after_the_window_the_same_reason_is_told_again(
    hear: Hear, rows: Rows, clock: FixedClock
) -> None:
    await hear(owner_assigned(ANA), risk_opened(), risk_recovered())
    clock.advance(25 * HOUR)
    await hear(risk_opened(risk_id="r2"))
    assert [kind for _, kind in await inbox(rows)][-1] == "risk.opened"


async def test_a_renewal_that_a_known_reason_lowers_again_is_told_with_its_new_figure(
    hear: Hear, rows: Rows, clock: FixedClock
) -> None:
    await hear(owner_assigned(BEN, "ae"), renewal_at_risk(probability=0.77))
    clock.advance(25 * HOUR)
    await hear(renewal_at_risk(probability=0.69, previous_probability=0.77))
    titles = await rows(
        "SELECT m.title FROM inbox_items i JOIN messages m ON m.id = i.message_id ORDER BY i.seq"
    )
    assert [row["title"] for row in titles] == [
        "Renewal at risk: 77 % likely, was 90 %",
        "Renewal at risk: 69 % likely, was 77 %",
    ]


@pytest.mark.parametrize(
    ("notice_date", "auto_renew", "step"),
    [
        (
            "2026-03-02",
            True,
            "Agree on a save with the CSM; notice can be given until 2026-03-02.",
        ),
        (
            "2026-03-01",
            True,
            (
                "The notice date, 2026-03-01, has passed: the contract renews itself unless "
                "notice was given. See whether it was, and agree on a save with the CSM."
            ),
        ),
        (
            "2026-03-01",
            False,
            (
                "The notice date, 2026-03-01, has passed, and the contract does not renew itself: "
                "agree on a save with the CSM, and ask the customer to renew."
            ),
        ),
        (
            "2026-03-01",
            None,
            (
                "The notice date, 2026-03-01, has passed: see whether notice was given, and agree "
                "on a save with the CSM."
            ),
        ),
    ],
)
async def test_a_notice_date_that_has_passed_is_told_as_that(
    hear: Hear, rows: Rows, notice_date: str, *, auto_renew: bool | None, step: str
) -> None:
    await hear(renewal_at_risk(notice_date=notice_date, auto_renew=auto_renew))
    assert [row["next_step"] for row in await rows("SELECT next_step FROM messages")] == [step]


async def test_a_renewal_at_risk_again_is_a_new_message(
    hear: Hear, rows: Rows, clock: FixedClock
) -> None:
    await hear(owner_assigned(BEN, "ae"), renewal_at_risk(), renewal_restored())
    clock.advance(25 * HOUR)
    await hear(renewal_at_risk())
    kinds = [kind for _, kind in await inbox(rows)]
    assert kinds == ["renewal.at_risk", "renewal.restored", "renewal.at_risk"]


async def test_an_alarm_without_an_owner_waits_and_goes_to_the_first_one(
    hear: Hear, rows: Rows
) -> None:
    await hear(risk_opened())
    assert {(row["recipient"], row["status"]) for row in await rows(LOG)} == {
        ("role:csm", "pending")
    }
    said = await hear(owner_assigned(ANA))
    assert await inbox(rows) == [(ANA.email, "risk.opened")]
    assert len(said) == 1
    assert {(row["channel"], row["recipient"]) for row in await rows(LOG)} == {
        ("inbox", ANA.email),
        ("email", ANA.email),
    }


async def test_an_owner_and_an_alarm_that_meet_do_not_miss_each_other(
    hear: Hear, rows: Rows, database: Database
) -> None:
    await hear(account_opened())
    async with database.transaction() as tx:
        await tell_risk(tx, risk_opened())
        owner = asyncio.create_task(hear(owner_assigned(ANA)))
        # Whoever comes second waits for the first; if it did not, it would be done by now.
        await asyncio.wait({owner}, timeout=0.5)
    await owner
    assert await inbox(rows) == [(ANA.email, "risk.opened")]


async def test_a_later_owner_hears_only_of_what_is_still_open(hear: Hear, rows: Rows) -> None:
    await hear(risk_opened(), risk_recovered(), owner_assigned(ANA))
    assert await inbox(rows) == []
    assert {row["status"] for row in await rows(LOG)} == {"suppressed"}


async def test_a_later_owner_hears_the_newest_of_several_alarms(hear: Hear, rows: Rows) -> None:
    await hear(risk_opened(severity="medium"), risk_worsened(), owner_assigned(ANA))
    assert await inbox(rows) == [(ANA.email, "risk.worsened")]


async def test_a_second_owner_is_not_told_what_the_first_was(hear: Hear, rows: Rows) -> None:
    await hear(risk_opened(), owner_assigned(ANA), owner_assigned(BEN))
    assert await inbox(rows) == [(ANA.email, "risk.opened")]


@pytest.mark.parametrize("who", [ANA, BEN])
async def test_after_an_owner_left_an_alarm_waits_for_the_next(
    hear: Hear, rows: Rows, who: Person
) -> None:
    removed = OwnerRemoved(account_id="acme", role="csm", email=ANA.email)
    await hear(owner_assigned(ANA), removed, risk_opened(), owner_assigned(who))
    assert await inbox(rows) == [(who.email, "risk.opened")]


async def test_a_removal_that_comes_late_does_not_remove_the_successor(
    hear: Hear, rows: Rows
) -> None:
    removed = OwnerRemoved(account_id="acme", role="csm", email=ANA.email)
    await hear(owner_assigned(BEN), removed, risk_opened())
    assert await inbox(rows) == [(BEN.email, "risk.opened")]


async def test_an_inbox_is_numbered_in_the_order_of_commits(
    hear: Hear, rows: Rows, database: Database
) -> None:
    await hear(*(owner_assigned(ANA, account_id=account) for account in ("one", "two")))
    async with database.transaction() as tx:
        await tell_risk(tx, risk_opened("one"))
        second = asyncio.create_task(hear(risk_opened("two")))
        await asyncio.wait({second}, timeout=0.3)
        # A live stream that saw the second number first would skip the first one.
        assert not second.done()
    await second
    numbered = await rows("SELECT account_id FROM inbox_items ORDER BY seq")
    assert [row["account_id"] for row in numbered] == ["one", "two"]


@pytest.mark.parametrize(
    ("days", "title"),
    [
        (30, "30 days to the notice date"),
        (1, "1 day to the notice date"),
        (0, "The notice date is today"),
        (-2, "The notice date has passed"),
    ],
)
async def test_a_renewal_that_comes_up_counts_the_days_that_are_left_not_its_window(
    hear: Hear, rows: Rows, clock: FixedClock, days: int, title: str
) -> None:
    notice_date = clock.now().date() + timedelta(days=days)
    await hear(owner_assigned(ANA), renewal_window_opened(notice_date=notice_date))
    (message,) = await rows("SELECT title FROM messages")
    assert message["title"] == title
