"""The HTTP door."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tenure.demo.receivers import Answer, WebhookReceiver
from tests.builders.notifications import ANA, BEN, account_opened, owner_assigned, risk_opened
from tests.integration.notifications.conftest import Hear, Rows

RISKS = {
    "recipient": {"email": "Ben@Vendor.example", "name": "Ben"},
    "channels": ["inbox"],
    "events": ["risk.*"],
}


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_subscriber_hears_what_was_subscribed_to(
    api: httpx.AsyncClient, hear: Hear
) -> None:
    made = await api.post("subscriptions", json=RISKS)
    assert made.status_code == 201
    await hear(risk_opened())
    inbox = (await api.get("inbox", params={"recipient": BEN.email})).json()
    assert [item["kind"] for item in inbox["data"]] == ["risk.opened"]


async def test_a_subscription_can_be_read_listed_and_ended(api: httpx.AsyncClient) -> None:
    made = (await api.post("subscriptions", json=RISKS)).json()
    assert made["recipient"]["email"] == BEN.email
    assert (await api.get(f"subscriptions/{made['id']}")).json() == made
    assert (await api.get("subscriptions")).json()["data"] == [made]
    assert (await api.delete(f"subscriptions/{made['id']}")).status_code == 204
    gone = (404, "subscription_not_found")
    assert problem(await api.delete(f"subscriptions/{made['id']}")) == gone
    assert problem(await api.get(f"subscriptions/{made['id']}")) == gone


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"events": ["risk.exploded"]}, "unknown_event"),
        ({"events": []}, "invalid_request"),
        ({"channels": ["fax"]}, "invalid_request"),
        ({"channels": ["webhook"]}, "channel_mismatch"),
        ({"recipient": {}}, "invalid_request"),
        ({"recipient": {"role": "csm", "email": "a@b.example"}}, "invalid_request"),
        ({"recipient": {"role": "csm", "name": "Ana"}}, "invalid_request"),
        ({"recipient": {"role": "king"}}, "invalid_request"),
        ({"recipient": {"email": "not an address"}}, "invalid_email"),
        ({"filter": {"min_severity": "awful"}}, "invalid_request"),
        ({"filter": {"account_ids": ["no spaces please"]}}, "invalid_request"),
        ({"surprise": 1}, "invalid_request"),
    ],
)
async def test_a_subscription_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, change: dict[str, Any], code: str
) -> None:
    assert problem(await api.post("subscriptions", json={**RISKS, **change})) == (422, code)


async def test_a_subscription_to_an_unknown_endpoint_is_refused(api: httpx.AsyncClient) -> None:
    body = {
        "recipient": {"webhook_endpoint_id": str(uuid4())},
        "channels": ["webhook"],
        "events": ["*"],
    }
    assert problem(await api.post("subscriptions", json=body)) == (404, "endpoint_not_found")


async def test_an_inbox_item_says_what_why_and_what_to_do(
    api: httpx.AsyncClient, hear: Hear
) -> None:
    await hear(account_opened(), owner_assigned(ANA), risk_opened())
    answer = await api.get("inbox", params={"recipient": "ANA@vendor.example"})
    (item,) = answer.json()["data"]
    assert item["account"] == {"id": "acme", "name": "Acme GmbH"}
    assert item["title"] == "Usage fell by half"
    assert item["explanation"] == "Usage is at 52 % of what is normal."
    assert item["next_step"] == "Call the champion."
    assert (item["severity"], item["reason"]) == ("high", "usage_drop")
    assert item["happened_at"] == "2026-03-02T12:00:00Z"
    assert item["links"] == {"account": "/api/v1/accounts/acme"}


async def test_an_inbox_is_paged_newest_first(api: httpx.AsyncClient, hear: Hear) -> None:
    await api.post("subscriptions", json=RISKS)
    await hear(*(risk_opened(f"account-{number}") for number in range(5)))
    params: dict[str, Any] = {"recipient": BEN.email, "limit": 2}
    seen = []
    while True:
        page = (await api.get("inbox", params=params)).json()
        seen += [item["account"]["id"] for item in page["data"]]
        if not page["has_more"]:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == [f"account-{number}" for number in (4, 3, 2, 1, 0)]


async def test_an_item_is_read_once_and_can_be_unread(api: httpx.AsyncClient, hear: Hear) -> None:
    await hear(owner_assigned(ANA), risk_opened())
    unread = {"recipient": ANA.email, "unread": True}
    (item,) = (await api.get("inbox", params=unread)).json()["data"]
    read = (await api.post(f"inbox/{item['id']}/read")).json()
    assert read["read_at"] == "2026-03-02T12:00:00Z"
    assert (await api.get("inbox", params=unread)).json()["data"] == []
    assert (await api.post(f"inbox/{item['id']}/unread")).json()["read_at"] is None
    assert len((await api.get("inbox", params=unread)).json()["data"]) == 1
    missing = await api.post(f"inbox/{uuid4()}/read")
    assert problem(missing) == (404, "inbox_item_not_found")


async def test_an_inbox_belongs_to_an_address(api: httpx.AsyncClient) -> None:
    assert problem(await api.get("inbox")) == (422, "invalid_request")
    nobody = await api.get("inbox", params={"recipient": "nobody"})
    assert problem(nobody) == (422, "invalid_email")


async def test_an_endpoints_secret_is_shown_once(api: httpx.AsyncClient, rows: Rows) -> None:
    made = await api.post("webhook_endpoints", json={"url": "https://hooks.vendor.example/x"})
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    shown = await api.get(f"webhook_endpoints/{made.json()['id']}")
    listed = await api.get("webhook_endpoints")
    assert "secret" not in shown.json()
    assert "whsec_" not in shown.text + listed.text
    assert len(await rows("SELECT * FROM webhook_keys")) == 1


async def test_an_endpoint_is_changed_from_the_version_that_was_read(
    api: httpx.AsyncClient,
) -> None:
    made = await api.post("webhook_endpoints", json={"url": "https://hooks.vendor.example/x"})
    path, version = f"webhook_endpoints/{made.json()['id']}", made.headers["etag"]
    change = {"events": ["risk.*"], "is_enabled": False}
    assert problem(await api.patch(path, json=change)) == (428, "precondition_required")
    changed = await api.patch(path, json=change, headers={"If-Match": version})
    assert (changed.json()["events"], changed.json()["is_enabled"]) == (["risk.*"], False)
    again = await api.patch(path, json=change, headers={"If-Match": version})
    assert problem(again) == (412, "precondition_failed")


@pytest.mark.parametrize("change", [{}, {"url": None}, {"secret": "mine"}, {"events": ["risk"]}])
async def test_a_change_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    made = await api.post("webhook_endpoints", json={"url": "https://hooks.vendor.example/x"})
    path = f"webhook_endpoints/{made.json()['id']}"
    refused = await api.patch(path, json=change, headers={"If-Match": "*"})
    assert refused.status_code == 422
    assert (await api.get(path)).headers["etag"] == made.headers["etag"]


async def test_text_that_cannot_be_stored_is_refused(api: httpx.AsyncClient) -> None:
    body = {**RISKS, "recipient": {"email": "ben@vendor.example", "name": "B\0n"}}
    assert (await api.post("subscriptions", json=body)).status_code == 422
    nobody = await api.get("inbox", params={"recipient": "a\0@vendor.example"})
    assert problem(nobody) == (422, "invalid_email")


async def test_a_disabled_endpoint_gets_nothing_more(
    api: httpx.AsyncClient, hear: Hear, rows: Rows
) -> None:
    made = await api.post("webhook_endpoints", json={"url": "https://hooks.vendor.example/x"})
    await hear(risk_opened("acme"))
    await api.patch(
        f"webhook_endpoints/{made.json()['id']}",
        json={"is_enabled": False},
        headers={"If-Match": "*"},
    )
    await hear(risk_opened("globex"))
    log = await rows("SELECT account_id, status FROM deliveries WHERE channel = 'webhook'")
    assert log == [{"account_id": "acme", "status": "suppressed"}]


async def test_a_deleted_endpoint_leaves_its_log(
    api: httpx.AsyncClient, hear: Hear, rows: Rows
) -> None:
    made = (await api.post("webhook_endpoints", json={"url": "https://v.example/x"})).json()
    await hear(risk_opened())
    assert (await api.delete(f"webhook_endpoints/{made['id']}")).status_code == 204
    assert (await api.get(f"webhook_endpoints/{made['id']}")).status_code == 404
    (delivery,) = (await api.get("deliveries", params={"channel": "webhook"})).json()["data"]
    assert (delivery["status"], delivery["recipient"]) == ("suppressed", made["id"])
    assert await rows("SELECT * FROM webhook_keys") == []
    replayed = await api.post(f"deliveries/{delivery['id']}/replay")
    assert problem(replayed) == (404, "endpoint_not_found")


@pytest.mark.parametrize("url", ["http://vendor.example/x", "https://127.0.0.1/x"])
async def test_without_permission_private_and_plain_urls_are_refused(
    open_client: Callable[..., Awaitable[httpx.AsyncClient]], url: str
) -> None:
    client = await open_client("notifications", scopes=["notifications:write"])
    answer = await client.post("/api/v1/webhook_endpoints", json={"url": url})
    assert problem(answer) in {(422, "invalid_url"), (422, "private_url")}


@pytest.mark.parametrize(
    ("answer", "code"), [(Answer.OK, 204), (Answer.FAIL, 500), (Answer.REDIRECT, 302)]
)
async def test_a_test_send_tells_what_the_receiver_answered(
    api: httpx.AsyncClient, answer: Answer, code: int
) -> None:
    async with WebhookReceiver(answer=answer) as receiver:
        made = (await api.post("webhook_endpoints", json={"url": receiver.url})).json()
        receiver.trust(made["secret"])
        result = (await api.post(f"webhook_endpoints/{made['id']}/test")).json()
        (got,) = receiver.received
    assert (result["delivered"], result["response_code"]) == (code == 204, code)
    assert (got.payload["type"], got.webhook_id) == ("webhook.test", result["webhook_id"])


async def test_the_log_is_filtered_and_paged(api: httpx.AsyncClient, hear: Hear) -> None:
    await hear(owner_assigned(ANA), risk_opened("acme"), risk_opened("globex"))
    mine = (await api.get("deliveries", params={"account_id": "acme"})).json()["data"]
    assert {each["account_id"] for each in mine} == {"acme"}
    waiting = await api.get("deliveries", params={"channel": "email", "status": "pending"})
    assert {each["recipient"] for each in waiting.json()["data"]} == {ANA.email, "role:csm"}
    first = (await api.get("deliveries", params={"limit": 3})).json()
    rest = (await api.get("deliveries", params={"cursor": first["next_cursor"]})).json()
    ids = [each["id"] for each in first["data"] + rest["data"]]
    assert len(ids) == 4
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("params", [{"status": "lost"}, {"channel": "fax"}, {"account_id": "a b"}])
async def test_a_filter_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, params: dict[str, str]
) -> None:
    assert problem(await api.get("deliveries", params=params)) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "subscriptions"),
        ("GET", "webhook_endpoints"),
        ("GET", "inbox?recipient=a@b.example"),
        ("GET", "inbox/stream?recipient=a@b.example"),
        ("GET", "deliveries"),
        ("POST", f"deliveries/{uuid4()}/replay"),
        ("POST", f"webhook_endpoints/{uuid4()}/test"),
        ("POST", f"inbox/{uuid4()}/read"),
    ],
)
async def test_every_route_asks_for_a_key_and_its_scope(
    open_client: Callable[..., Awaitable[httpx.AsyncClient]], method: str, path: str
) -> None:
    nobody = await open_client("notifications")
    other = await open_client("notifications", scopes=["health:read", "health:write"])
    assert (await nobody.request(method, f"/api/v1/{path}")).status_code == 401
    assert (await other.request(method, f"/api/v1/{path}")).status_code == 403
