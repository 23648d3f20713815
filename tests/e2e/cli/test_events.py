"""`tenure events` and `tenure dlq`."""

import json
from uuid import uuid4

import pytest

from shared.bus.producer import Message
from shared.bus.topics import USAGE_TOPIC
from tests.e2e.cli.commands import Run
from tests.product import Product, an_account, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


def test_events_tail_shows_an_accounts_events_one_a_line(tenure: Run, product: Product) -> None:
    account = an_account("tail")
    opened = product.client("onboarding").post(
        "/api/v1/accounts", json={"account_id": account, "name": "Tail"}
    )
    assert opened.status_code == 201
    product.wait_until_quiet()
    tail = ("events", "tail", "--from-beginning", "--no-follow", "--account", account)
    where = ("--broker", product.stack.bootstrap)
    said = tenure(*tail, *where, "--json")
    assert said.code == 0
    events = [json.loads(line) for line in said.out.splitlines()]
    assert "io.tenure.onboarding.account_opened.v1" in {event["type"] for event in events}
    assert {event["subject"] for event in events} == {account}
    assert {event["specversion"] for event in events} == {"1.0"}

    told = tenure(*tail, *where, "--topic", "tenure.onboarding")
    assert told.code == 0
    assert f" account_opened.v1 {account} " in told.out

    unknown = tenure("events", "tail", *where, "--topic", "tenure.typo")
    assert (unknown.code, unknown.out) == (1, "")
    assert "no topic tenure.typo" in unknown.err


def test_dead_letters_show_their_bytes_and_go_back_when_asked(
    tenure: Run, tenure_here: Run, product: Product
) -> None:
    account, mark = an_account("dlq"), uuid4().hex
    product.publish(Message(USAGE_TOPIC, account.encode(), f"{mark}\0[/]".encode() + b"\xff"))
    bad_time = {"specversion": "1.0", "id": mark, "source": "/x", "subject": account, "data": {}}
    value = json.dumps({**bad_time, "type": "io.tenure.x.y.v1", "time": "[/bold]"}).encode()
    product.publish(Message("tenure.onboarding", account.encode(), value))
    sql = "SELECT count(*) FROM dead_letters WHERE key = :key"
    eventually(
        lambda: product.fetch_value("health", sql, key=account.encode()) == 2,
        what="both records are set aside",
    )
    where = ("--database", product.stack.admin_url)

    told = tenure("dlq", "list", "--service", "health", *where)
    assert told.code == 0
    assert "[/bold]" in told.out

    listed = tenure("dlq", "list", "--service", "health", *where, "--json")
    mine = [each for each in listed.document["dead_letters"] if each["key"] == account]
    (letter,) = [each for each in mine if each["topic"] == USAGE_TOPIC]
    assert letter["value"] == f"{mark}\0[/]\\xff"
    assert letter["code"] == "malformed_event"
    assert letter["retried_at"] is None

    said = tenure("dlq", "retry", "health", str(letter["id"]), *where, "--json")
    assert (said.code, said.document) == (0, {"service": "health", "retried": 1})
    # It is as malformed as before: the copy that came back is set aside too.
    again = "SELECT count(*) FROM dead_letters WHERE key = :key AND topic = :topic"
    eventually(
        lambda: product.fetch_value("health", again, key=account.encode(), topic=USAGE_TOPIC) == 2,
        what="the record went back to its topic and was set aside again",
    )
    unknown = tenure_here("dlq", "retry", "health", "999999999", *where)
    assert unknown.code == 1
    assert "only 0 of 1 ids exist; `tenure dlq list` shows them" in unknown.err
