"""Sending for real: to a mail server and to webhook receivers on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from services.notifications.domain.delivery import Arrived, Missed
from services.notifications.domain.retry import WAITS
from services.notifications.gateways.webhooks import WebhookSender
from services.notifications.jobs import Courier, webhook_courier
from services.notifications.usecases.deliveries import pick_up_webhook, record
from shared.db.transaction import Database
from tenure.demo.receivers import Answer, SmtpSink, WebhookReceiver
from tests.builders.notifications import (
    ANA,
    VAULT,
    account_opened,
    owner_assigned,
    risk_opened,
)
from tests.integration.notifications.conftest import Desk

SAID = "SELECT type, payload->'data' AS data FROM outbox ORDER BY seq"


async def test_a_mail_arrives_with_the_id_of_its_delivery(
    desk: Desk, post: Courier[Any], sink: SmtpSink
) -> None:
    await desk.hear(account_opened(), owner_assigned(ANA), risk_opened())
    await post.run(desk.database)
    (mail,), (delivery,) = sink.mails, await desk.log("email")
    assert mail.recipients == (ANA.email,)
    assert mail.message["Message-ID"] == f"<{delivery['id']}@tenure>"
    assert mail.message["Subject"] == "[Acme GmbH] Usage fell by half"
    assert "Call the champion." in mail.text
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)


async def test_a_delivered_mail_is_said(desk: Desk, post: Courier[Any]) -> None:
    await desk.hear(owner_assigned(ANA), risk_opened())
    await post.run(desk.database)
    said = [row["data"]["channel"] for row in await desk.rows(SAID)]
    assert said == ["inbox", "email"]


async def test_a_mail_server_that_is_busy_gets_the_same_mail_again(
    desk: Desk, post: Courier[Any], sink: SmtpSink
) -> None:
    sink.refusals.append("451 later")
    await desk.hear(owner_assigned(ANA), risk_opened())
    await post.run(desk.database)
    (waiting,) = await desk.log("email")
    assert (waiting["status"], waiting["response_code"]) == ("pending", 451)
    assert waiting["next_attempt_at"] == desk.clock.now() + timedelta(seconds=5)
    desk.clock.advance(timedelta(seconds=5))
    post.wake()
    await post.run(desk.database)
    assert len(sink.mails) == 1


async def test_a_mail_that_is_refused_for_good_fails_at_once(
    desk: Desk, post: Courier[Any], sink: SmtpSink
) -> None:
    sink.refusals.append("550 never")
    await desk.hear(owner_assigned(ANA), risk_opened())
    await post.run(desk.database)
    (failed,) = await desk.log("email")
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert (await desk.rows(SAID))[-1]["type"] == "io.tenure.notifications.notification_failed.v1"


async def test_a_webhook_is_signed_and_says_everything(
    desk: Desk, hooks: Courier[Any], receiver: WebhookReceiver
) -> None:
    await desk.add_endpoint(receiver)
    await desk.hear(account_opened(), risk_opened())
    await hooks.run(desk.database)
    (got,), (delivery,) = receiver.received, await desk.log("webhook")
    assert got.is_genuine
    assert got.webhook_id == str(delivery["id"])
    assert got.payload["type"] == "risk.opened"
    assert got.payload["data"]["account"] == {"id": "acme", "name": "Acme GmbH"}
    assert got.payload["data"]["next_step"] == "Call the champion."
    assert (delivery["status"], delivery["response_code"]) == ("delivered", 204)


async def test_every_retry_has_the_same_id_until_none_is_left(
    desk: Desk, hooks: Courier[Any]
) -> None:
    async with WebhookReceiver(answer=Answer.FAIL) as receiver:
        await desk.add_endpoint(receiver)
        await desk.hear(risk_opened())
        started = desk.clock.now()
        for wait in (*WAITS, timedelta()):
            hooks.wake()
            await hooks.run(desk.database)
            desk.clock.advance(wait)
        assert len(receiver.received) == 13
        assert len({got.webhook_id for got in receiver.received}) == 1
        assert desk.clock.now() - started == timedelta(hours=96)
    (failed,) = await desk.log("webhook")
    assert (failed["status"], failed["attempts"]) == ("failed", 13)
    assert failed["last_error"] == "the receiver answered 500"


async def test_a_receiver_that_asks_for_time_gets_it(desk: Desk, hooks: Courier[Any]) -> None:
    async with WebhookReceiver(answer=Answer.BUSY, retry_after=90) as receiver:
        await desk.add_endpoint(receiver)
        await desk.hear(risk_opened())
        await hooks.run(desk.database)
    (waiting,) = await desk.log("webhook")
    assert waiting["next_attempt_at"] == desk.clock.now() + timedelta(seconds=90)


async def test_a_redirect_is_not_followed(desk: Desk, hooks: Courier[Any]) -> None:
    async with WebhookReceiver(answer=Answer.REDIRECT) as receiver:
        await desk.add_endpoint(receiver)
        await desk.hear(risk_opened())
        await hooks.run(desk.database)
        assert [got.path for got in receiver.received] == ["/hook"]
    (waiting,) = await desk.log("webhook")
    assert (waiting["status"], waiting["response_code"]) == ("pending", 302)


async def test_gone_disables_the_endpoint_and_calls_off_what_waits(
    desk: Desk, hooks: Courier[Any]
) -> None:
    async with WebhookReceiver(answer=Answer.GONE) as receiver:
        endpoint = await desk.add_endpoint(receiver)
        await desk.hear(risk_opened("acme"), risk_opened("globex"))
        await hooks.run(desk.database)
        assert len(receiver.received) == 1
    shown = (await desk.api.get(f"webhook_endpoints/{endpoint['id']}")).json()
    assert (shown["is_enabled"], shown["disabled_because"]) == (
        False,
        "the receiver answered 410 Gone",
    )
    assert sorted(row["status"] for row in await desk.log("webhook")) == ["failed", "suppressed"]


@asynccontextmanager
async def at_work(courier: Courier[Any], database: Database) -> AsyncIterator[None]:
    """Let four work as one courier, as jobs do, until the block ends."""

    async def work() -> None:
        while True:
            await courier.run(database)

    couriers = [asyncio.create_task(work()) for _ in range(4)]
    try:
        yield
    finally:
        for each in couriers:
            each.cancel()
        await asyncio.gather(*couriers, return_exceptions=True)


async def test_a_receiver_that_hangs_does_not_hold_up_the_others(
    desk: Desk, receiver: WebhookReceiver
) -> None:
    patient = webhook_courier(WebhookSender(VAULT, allow_private=True, total_seconds=60))
    async with WebhookReceiver(answer=Answer.HANG) as hostile:
        await desk.add_endpoint(hostile)
        await desk.add_endpoint(receiver)
        await desk.hear(*(risk_opened(f"account-{number}") for number in range(8)))
        async with at_work(patient, desk.database):
            await receiver.wait_for(8)
            await hostile.wait_for(2)
        assert len(hostile.received) == 2


async def test_a_receiver_that_does_not_answer_in_time_is_tried_again_later(desk: Desk) -> None:
    hasty = webhook_courier(WebhookSender(VAULT, allow_private=True, total_seconds=0.2))
    async with WebhookReceiver(answer=Answer.HANG) as hostile:
        await desk.add_endpoint(hostile)
        await desk.hear(risk_opened())
        await hasty.run(desk.database)
    (waiting,) = await desk.log("webhook")
    assert (waiting["status"], waiting["last_error"]) == ("pending", "no answer within 0.2 s")


async def test_a_lease_that_ran_out_is_taken_over_under_the_same_id(
    desk: Desk, hooks: Courier[Any], receiver: WebhookReceiver
) -> None:
    await desk.add_endpoint(receiver)
    await desk.hear(risk_opened())
    async with desk.database.transaction() as tx:
        taken = await pick_up_webhook(tx, [])
        assert taken is not None
    async with desk.database.transaction() as tx:
        assert await pick_up_webhook(tx, []) is None
    desk.clock.advance(timedelta(seconds=31))
    await hooks.run(desk.database)
    (got,), (delivery,) = receiver.received, await desk.log("webhook")
    assert got.webhook_id == str(taken.parcel.delivery.id)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)


async def test_a_delivery_that_no_sender_survives_is_given_up(desk: Desk) -> None:
    async with WebhookReceiver() as receiver:
        await desk.add_endpoint(receiver)
    await desk.hear(risk_opened())
    for _ in range(14):
        async with desk.database.transaction() as tx:
            last = await pick_up_webhook(tx, [])
        desk.clock.advance(timedelta(seconds=31))
    assert last is None
    (failed,) = await desk.log("webhook")
    assert failed["status"] == "failed"
    assert (await desk.rows(SAID))[-1]["type"].endswith("notification_failed.v1")


async def test_who_lost_the_lease_records_nothing(desk: Desk, receiver: WebhookReceiver) -> None:
    await desk.add_endpoint(receiver)
    await desk.hear(risk_opened())
    leases = []
    for _ in range(2):
        async with desk.database.transaction() as tx:
            load = await pick_up_webhook(tx, [])
            assert load is not None
            leases.append(load.parcel)
        desk.clock.advance(timedelta(seconds=31))
    async with desk.database.transaction() as tx:
        await record(tx, leases[0], Missed("too late"), jitter=0.5)
        assert not tx.emitted
    async with desk.database.transaction() as tx:
        await record(tx, leases[1], Arrived(204), jitter=0.5)
        assert len(tx.emitted) == 1
    assert (await desk.log("webhook"))[0]["status"] == "delivered"


async def test_several_couriers_never_take_the_same(
    desk: Desk, hooks: Courier[Any], receiver: WebhookReceiver
) -> None:
    await desk.add_endpoint(receiver)
    await desk.hear(*(risk_opened(f"account-{number}") for number in range(20)))
    other = webhook_courier(WebhookSender(VAULT, allow_private=True))
    async with at_work(hooks, desk.database), at_work(other, desk.database):
        await receiver.wait_for(20)
    ids = [got.webhook_id for got in receiver.received]
    assert len(ids) == len(set(ids)) == 20


async def test_during_a_rotation_both_secrets_are_good(desk: Desk, hooks: Courier[Any]) -> None:
    async with WebhookReceiver() as old, WebhookReceiver() as new:
        endpoint = await desk.add_endpoint(old)
        rotated = await desk.api.post(f"webhook_endpoints/{endpoint['id']}/rotate_secret")
        new.trust(rotated.json()["secret"])
        await desk.hear(risk_opened())
        await hooks.run(desk.database)
        (got,) = old.received
        assert got.is_genuine
        assert len(got.headers["webhook-signature"].split(" ")) == 2


async def test_a_failed_delivery_is_sent_again_on_request(
    desk: Desk, post: Courier[Any], sink: SmtpSink
) -> None:
    sink.refusals.append("550 never")
    await desk.hear(owner_assigned(ANA), risk_opened())
    await post.run(desk.database)
    (failed,) = (await desk.api.get("deliveries", params={"status": "failed"})).json()["data"]
    answer = await desk.api.post(f"deliveries/{failed['id']}/replay")
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert (await desk.api.post(f"deliveries/{failed['id']}/replay")).status_code == 409
    post.wake()
    await post.run(desk.database)
    assert sink.mails[0].message["X-Tenure-Delivery"] == failed["id"]
    assert (await desk.log("email"))[0]["status"] == "delivered"
