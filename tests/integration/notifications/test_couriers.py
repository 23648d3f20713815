"""Couriers: woken when there is work, and not kept waiting by receivers that hang."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest_asyncio

from services.notifications.gateways.mail import Mailer
from services.notifications.gateways.webhooks import WebhookSender
from services.notifications.jobs import Courier, mail_courier, webhook_courier
from services.notifications.settings import SmtpServer
from services.notifications.usecases.deliveries import replay
from tenure.demo.receivers import Answer, SmtpSink, WebhookReceiver
from tests.builders.notifications import ANA, VAULT, owner_assigned, risk_opened
from tests.integration.notifications.conftest import Desk

SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture
async def sleeper(desk: Desk, sink: SmtpSink) -> Courier[Any]:
    """A courier that has just looked in vain and would look again in a minute."""
    mailer = Mailer(SmtpServer.parse(sink.url), "Tenure <tenure@vendor.example>")
    courier = mail_courier(mailer, jitter=lambda: 0.5, poll_seconds=60)
    resting = asyncio.create_task(courier.run(desk.database))
    await asyncio.wait({resting}, timeout=0.2)
    assert not resting.done()
    courier.wake()
    await resting
    return courier


async def test_a_new_message_wakes_its_courier(
    desk: Desk, sleeper: Courier[Any], sink: SmtpSink
) -> None:
    resting = asyncio.create_task(sleeper.run(desk.database))
    await asyncio.wait({resting}, timeout=0.2)
    await desk.hear(owner_assigned(ANA), risk_opened())
    async with asyncio.timeout(10):
        await resting
        await sleeper.run(desk.database)
    assert len(sink.mails) == 1


async def test_a_message_handed_over_to_a_new_owner_wakes_its_courier(
    desk: Desk, sleeper: Courier[Any], sink: SmtpSink
) -> None:
    await desk.hear(risk_opened())
    await _rests(sleeper, desk)
    await desk.hear(owner_assigned(ANA))
    async with asyncio.timeout(10):
        await sleeper.run(desk.database)
    assert len(sink.mails) == 1


async def test_a_replay_wakes_its_courier(
    desk: Desk, sleeper: Courier[Any], sink: SmtpSink
) -> None:
    sink.refusals.append("550 never")
    await desk.hear(owner_assigned(ANA), risk_opened())
    await sleeper.run(desk.database)
    await _rests(sleeper, desk)
    (failed,) = await desk.log("email")
    async with desk.database.transaction() as tx:
        await replay(tx, UUID(str(failed["id"])))
    async with asyncio.timeout(10):
        await sleeper.run(desk.database)
    assert len(sink.mails) == 1


async def test_an_endpoint_that_hangs_rests_longer_each_time_until_it_answers(desk: Desk) -> None:
    hasty = webhook_courier(WebhookSender(VAULT, allow_private=True, total_seconds=0.2))
    async with WebhookReceiver(answer=Answer.HANG) as hostile:
        await desk.add_endpoint(hostile)
        await desk.hear(*(risk_opened(f"account-{number}") for number in range(4)))
        for rest, attempts in ((5, 1), (25, 2), (90, 3), (90, 4)):
            await _run_twice(hasty, desk)
            assert len(hostile.received) == attempts
            desk.clock.advance((rest - 1) * SECOND)
            await _run_twice(hasty, desk)
            assert len(hostile.received) == attempts
            desk.clock.advance(SECOND)
        hostile.answer = Answer.OK
        await _run_twice(hasty, desk)
        await _run_twice(hasty, desk)
        assert {row["status"] for row in await desk.log("webhook")} == {"delivered"}


async def test_an_endpoint_that_hung_is_sent_one_at_a_time_until_it_answers(desk: Desk) -> None:
    hasty = webhook_courier(WebhookSender(VAULT, allow_private=True, total_seconds=0.2))
    async with WebhookReceiver(answer=Answer.HANG) as hostile:
        await desk.add_endpoint(hostile)
        await desk.hear(*(risk_opened(f"account-{number}") for number in range(4)))
        await asyncio.gather(*(hasty.run(desk.database) for _ in range(4)))
        assert len(hostile.received) == 2
        desk.clock.advance(25 * SECOND)
        await asyncio.gather(*(hasty.run(desk.database) for _ in range(4)))
        assert len(hostile.received) == 3


async def _run_twice(courier: Courier[Any], desk: Desk) -> None:
    for _ in range(2):
        courier.wake()
        await courier.run(desk.database)


async def _rests(courier: Courier[Any], desk: Desk) -> None:
    """Let a courier use up what woke it, and rest."""
    resting = asyncio.create_task(courier.run(desk.database))
    await asyncio.wait({resting}, timeout=0.5)
    assert not resting.done()
    resting.cancel()
    await asyncio.wait({resting})
