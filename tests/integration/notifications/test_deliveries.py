"""Sending for real: to a mail server and to webhook receivers on loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.notifications.domain.retry import WAITS
from services.notifications.jobs import Courier
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tenure.demo.receivers import Answer, SmtpSink, WebhookReceiver
from tests.builders.notifications import ANA, account_opened, owner_assigned, risk_opened
from tests.integration.notifications.conftest import Hear, Rows

MAILS = "SELECT * FROM deliveries WHERE channel = 'email' ORDER BY created_at, id"
HOOKS = "SELECT * FROM deliveries WHERE channel = 'webhook' ORDER BY created_at, id"
SAID = "SELECT type, payload->'data' AS data FROM outbox ORDER BY seq"


@pytest.fixture
def add_endpoint(
    api: httpx.AsyncClient,
) -> Callable[[WebhookReceiver], Awaitable[dict[str, Any]]]:
    """Makes a receiver an endpoint that it trusts."""

    async def add(receiver: WebhookReceiver) -> dict[str, Any]:
        answer = await api.post("webhook_endpoints", json={"url": receiver.url})
        receiver.trust(answer.json()["secret"])
        return answer.json()

    return add


AddEndpoint = Callable[[WebhookReceiver], Awaitable[dict[str, Any]]]


async def test_a_mail_arrives_with_the_id_of_its_delivery(
    hear: Hear, rows: Rows, post: Courier[Any], sink: SmtpSink, database: Database
) -> None:
    await hear(account_opened(), owner_assigned(ANA), risk_opened())
    await post.run(database)
    (mail,), (delivery,) = sink.mails, await rows(MAILS)
    assert mail.recipients == (ANA.email,)
    assert mail.message["Message-ID"] == f"<{delivery['id']}@tenure>"
    assert mail.message["Subject"] == "[Acme GmbH] Usage fell by half"
    assert "Call the champion." in mail.text
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)


async def test_a_delivered_mail_is_said(
    hear: Hear, rows: Rows, post: Courier[Any], database: Database
) -> None:
    await hear(owner_assigned(ANA), risk_opened())
    await post.run(database)
    said = [row["data"]["channel"] for row in await rows(SAID)]
    assert said == ["inbox", "email"]


async def test_a_mail_server_that_is_busy_gets_the_same_mail_again(
    hear: Hear,
    rows: Rows,
    post: Courier[Any],
    sink: SmtpSink,
    database: Database,
    clock: FixedClock,
) -> None:
    sink.refusals.append("451 later")
    await hear(owner_assigned(ANA), risk_opened())
    await post.run(database)
    (waiting,) = await rows(MAILS)
    assert (waiting["status"], waiting["response_code"]) == ("pending", 451)
    assert waiting["next_attempt_at"] == clock.now() + timedelta(seconds=5)
    clock.advance(timedelta(seconds=5))
    post.wake()
    await post.run(database)
    assert len(sink.mails) == 1


async def test_a_mail_that_is_refused_for_good_fails_at_once(
    hear: Hear, rows: Rows, post: Courier[Any], sink: SmtpSink, database: Database
) -> None:
    sink.refusals.append("550 never")
    await hear(owner_assigned(ANA), risk_opened())
    await post.run(database)
    (failed,) = await rows(MAILS)
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert (await rows(SAID))[-1]["type"] == "io.tenure.notifications.notification_failed.v1"


async def test_a_webhook_is_signed_and_says_everything(
    hear: Hear,
    rows: Rows,
    hooks: Courier[Any],
    receiver: WebhookReceiver,
    database: Database,
    add_endpoint: AddEndpoint,
) -> None:
    await add_endpoint(receiver)
    await hear(account_opened(), risk_opened())
    await hooks.run(database)
    (got,), (delivery,) = receiver.received, await rows(HOOKS)
    assert got.is_genuine
    assert got.webhook_id == str(delivery["id"])
    assert got.payload["type"] == "risk.opened"
    assert got.payload["data"]["account"] == {"id": "acme", "name": "Acme GmbH"}
    assert got.payload["data"]["next_step"] == "Call the champion."
    assert (delivery["status"], delivery["response_code"]) == ("delivered", 204)


async def test_every_retry_has_the_same_id_until_none_is_left(
    hear: Hear,
    rows: Rows,
    hooks: Courier[Any],
    database: Database,
    clock: FixedClock,
    add_endpoint: AddEndpoint,
) -> None:
    async with WebhookReceiver(answer=Answer.FAIL) as receiver:
        await add_endpoint(receiver)
        await hear(risk_opened())
        started = clock.now()
        for wait in (*WAITS, timedelta()):
            hooks.wake()
            await hooks.run(database)
            clock.advance(wait)
        assert len(receiver.received) == 13
        assert len({got.webhook_id for got in receiver.received}) == 1
        assert clock.now() - started == timedelta(hours=96)
    (failed,) = await rows(HOOKS)
    assert (failed["status"], failed["attempts"]) == ("failed", 13)
    assert failed["last_error"] == "the receiver answered 500"


async def test_a_receiver_that_asks_for_time_gets_it(
    hear: Hear,
    rows: Rows,
    hooks: Courier[Any],
    database: Database,
    clock: FixedClock,
    add_endpoint: AddEndpoint,
) -> None:
    async with WebhookReceiver(answer=Answer.BUSY, retry_after=90) as receiver:
        await add_endpoint(receiver)
        await hear(risk_opened())
        await hooks.run(database)
    (waiting,) = await rows(HOOKS)
    assert waiting["next_attempt_at"] == clock.now() + timedelta(seconds=90)


async def test_a_redirect_is_not_followed(
    hear: Hear, rows: Rows, hooks: Courier[Any], database: Database, add_endpoint: AddEndpoint
) -> None:
    async with WebhookReceiver(answer=Answer.REDIRECT) as receiver:
        await add_endpoint(receiver)
        await hear(risk_opened())
        await hooks.run(database)
        assert [got.path for got in receiver.received] == ["/hook"]
    (waiting,) = await rows(HOOKS)
    assert (waiting["status"], waiting["response_code"]) == ("pending", 302)


async def test_gone_disables_the_endpoint_and_calls_off_what_waits(
    hear: Hear,
    rows: Rows,
    hooks: Courier[Any],
    database: Database,
    api: httpx.AsyncClient,
    add_endpoint: AddEndpoint,
) -> None:
    async with WebhookReceiver(answer=Answer.GONE) as receiver:
        endpoint = await add_endpoint(receiver)
        await hear(risk_opened("acme"), risk_opened("globex"))
        await hooks.run(database)
        assert len(receiver.received) == 1
    shown = (await api.get(f"webhook_endpoints/{endpoint['id']}")).json()
    assert (shown["is_enabled"], shown["disabled_because"]) == (
        False,
        "the receiver answered 410 Gone",
    )
    assert sorted(row["status"] for row in await rows(HOOKS)) == ["failed", "suppressed"]


async def test_a_receiver_that_hangs_does_not_hold_up_the_others(
    hear: Hear,
    rows: Rows,
    hooks: Courier[Any],
    receiver: WebhookReceiver,
    database: Database,
    add_endpoint: AddEndpoint,
) -> None:
    async with WebhookReceiver(answer=Answer.HANG) as hostile:
        await add_endpoint(hostile)
        await add_endpoint(receiver)
        await hear(*(risk_opened(f"account-{number}") for number in range(8)))
        couriers = [asyncio.create_task(_run_for(hooks, database, 0.6)) for _ in range(4)]
        await receiver.wait_for(8, within=0.6)
        assert len(hostile.received) == 2
        await asyncio.gather(*couriers)
    errors = {row["last_error"] for row in await rows(HOOKS) if row["status"] == "pending"}
    assert "no answer within 1 s" in errors


async def _run_for(courier: Courier[Any], database: Database, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        await courier.run(database)


async def test_a_lease_that_ran_out_is_taken_over_under_the_same_id(
    hear: Hear,
    rows: Rows,
    hooks: Courier[Any],
    receiver: WebhookReceiver,
    database: Database,
    clock: FixedClock,
    add_endpoint: AddEndpoint,
) -> None:
    from services.notifications.usecases.deliveries import pick_up_webhook

    await add_endpoint(receiver)
    await hear(risk_opened())
    async with database.transaction() as tx:
        taken = await pick_up_webhook(tx, [])
        assert taken is not None
    async with database.transaction() as tx:
        assert await pick_up_webhook(tx, []) is None
    clock.advance(timedelta(seconds=31))
    await hooks.run(database)
    (got,), (delivery,) = receiver.received, await rows(HOOKS)
    assert got.webhook_id == str(taken.parcel.delivery.id)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)


async def test_who_lost_the_lease_records_nothing(
    hear: Hear,
    rows: Rows,
    receiver: WebhookReceiver,
    database: Database,
    clock: FixedClock,
    add_endpoint: AddEndpoint,
) -> None:
    from services.notifications.domain.delivery import Arrived, Missed
    from services.notifications.usecases.deliveries import pick_up_webhook, record

    await add_endpoint(receiver)
    await hear(risk_opened())
    leases = []
    for _ in range(2):
        async with database.transaction() as tx:
            load = await pick_up_webhook(tx, [])
            assert load is not None
            leases.append(load.parcel)
        clock.advance(timedelta(seconds=31))
    async with database.transaction() as tx:
        await record(tx, leases[0], Missed("too late"), jitter=0.5)
        assert not tx.emitted
    async with database.transaction() as tx:
        await record(tx, leases[1], Arrived(204), jitter=0.5)
        assert len(tx.emitted) == 1
    assert (await rows(HOOKS))[0]["status"] == "delivered"


async def test_two_couriers_never_take_the_same(
    hear: Hear,
    hooks: Courier[Any],
    receiver: WebhookReceiver,
    database: Database,
    add_endpoint: AddEndpoint,
) -> None:
    await add_endpoint(receiver)
    await hear(*(risk_opened(f"account-{number}") for number in range(20)))
    await asyncio.gather(*(_run_for(hooks, database, 0.5) for _ in range(4)))
    ids = [got.webhook_id for got in receiver.received]
    assert len(ids) == len(set(ids)) == 20


async def test_during_a_rotation_both_secrets_are_good(
    hear: Hear,
    hooks: Courier[Any],
    database: Database,
    api: httpx.AsyncClient,
    add_endpoint: AddEndpoint,
) -> None:
    async with WebhookReceiver() as old, WebhookReceiver() as new:
        endpoint = await add_endpoint(old)
        rotated = await api.post(f"webhook_endpoints/{endpoint['id']}/rotate_secret")
        new.trust(rotated.json()["secret"])
        await hear(risk_opened())
        await hooks.run(database)
        (got,) = old.received
        assert got.is_genuine
        assert len(got.headers["webhook-signature"].split(" ")) == 2


async def test_a_failed_delivery_is_sent_again_on_request(
    hear: Hear,
    rows: Rows,
    post: Courier[Any],
    sink: SmtpSink,
    database: Database,
    api: httpx.AsyncClient,
) -> None:
    sink.refusals.append("550 never")
    await hear(owner_assigned(ANA), risk_opened())
    await post.run(database)
    (failed,) = (await api.get("deliveries", params={"status": "failed"})).json()["data"]
    answer = await api.post(f"deliveries/{failed['id']}/replay")
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert (await api.post(f"deliveries/{failed['id']}/replay")).status_code == 409
    post.wake()
    await post.run(database)
    assert sink.mails[0].message["X-Tenure-Delivery"] == failed["id"]
    assert (await rows(MAILS))[0]["status"] == "delivered"
