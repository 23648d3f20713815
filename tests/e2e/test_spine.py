"""The spine, as processes: what a product backend sends becomes an alert a person reads, once."""

import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import rudderstack.analytics.client as rudder
import segment.analytics.client as segment
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from shared.bus.producer import Message
from shared.bus.topics import USAGE_TOPIC
from tests.e2e.conftest import Product, an_account, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

CSM, AE = "ana@vendor.example", "axel@vendor.example"
SDKS = {
    "segment": (segment.Client, {}),
    "segment, gzipped": (segment.Client, {"gzip": True}),
    "rudder": (rudder.Client, {}),
    "rudder, plain": (rudder.Client, {"gzip": False}),
}


def usage(product: Product, account: str) -> dict[str, int]:
    answer = product.client("health").get(f"/api/v1/accounts/{account}/usage")
    if answer.status_code == 404:
        return {}
    counted: Counter[str] = Counter()
    for day in answer.json()["days"]:
        counted.update(day["by_name"])
    return dict(counted)


def wait_for_usage(product: Product, account: str, **expected: int) -> None:
    eventually(lambda: usage(product, account) == expected, what=f"{expected} counted")


@pytest.mark.parametrize("sdk", SDKS)
def test_an_unmodified_sdk_is_counted_once_however_often_it_sends(
    product: Product, sdk: str
) -> None:
    client_class, options = SDKS[sdk]
    account, errors = an_account("sdk"), []
    user = f"user-of-{account}"
    client = client_class(
        product.key("usage:write", source=f"/backend/{account}").secret,
        host=product.stack.url("health"),
        on_error=lambda error, _batch: errors.append(error),
        upload_interval=0.05,
        **options,
    )
    client.identify(user, {"plan": "team"}, context={"groupId": account})
    client.group(user, account, {"name": "From the SDK"})
    ids = [f"{account}-{number}" for number in range(20)]
    for each in [*ids, *ids[:7]]:
        client.track(user, "exported", {"format": "pdf"}, {"groupId": account}, message_id=each)
    client.page(user, "Docs", "Home", context={"groupId": account})
    # The user's only account, learnt from `group`, stands in where the event names none.
    client.flush()
    client.track(user, "exported", message_id=f"{account}-nameless")
    client.flush()
    client.join()
    assert errors == []
    wait_for_usage(product, account, exported=21, **{"Viewed Home": 1})
    known = eventually(
        lambda: product.client("onboarding").get(f"/api/v1/accounts/{account}").json().get("name"),
        what="the account that the product named",
    )
    assert known == "From the SDK"


@pytest.mark.parametrize("sdk", ["segment", "rudder"])
def test_an_sdk_with_a_wrong_key_hears_why_and_gives_up(product: Product, sdk: str) -> None:
    errors: list[Exception] = []
    client = SDKS[sdk][0](
        f"tnr_wrongkey_{'x' * 43}",
        host=product.stack.url("health"),
        on_error=lambda error, _batch: errors.append(error),
        upload_interval=0.05,
    )
    started = time.monotonic()
    client.track("u1", "exported", context={"groupId": "acme"})
    client.flush()
    client.join()
    assert len(errors) == 1
    assert "invalid_write_key" in str(errors[0])
    assert time.monotonic() - started < 10


def test_cloudevents_straight_to_kafka_are_counted_once(product: Product) -> None:
    account = an_account("kafka")
    made = [_cloudevent(account, f"{account}-{number}") for number in range(6)]
    array = b"[" + b",".join(made[2:]) + b"]"
    values = [*made[:2], array, made[0], array]
    product.publish(*(Message(USAGE_TOPIC, account.encode(), value) for value in values))
    binary = {"specversion": "1.0", "source": "/e2e", "type": "exported", "subject": account}
    for number in (0, 6):
        attributes = {**binary, "id": f"{account}-{number}"}
        headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
        product.publish(Message(USAGE_TOPIC, account.encode(), b'{"user_id": "u1"}', headers))
    wait_for_usage(product, account, exported=7)


def _cloudevent(
    account: str, event_id: str, *, at: datetime | None = None, user: str = "u1"
) -> bytes:
    attributes = {
        "id": event_id,
        "source": "/e2e",
        "type": "exported",
        "subject": account,
        "time": at or datetime.now(UTC),
    }
    return bytes(JSONFormat().write(CloudEvent(attributes, {"user_id": user})))


def test_a_poisoned_record_is_set_aside_and_what_follows_counts(product: Product) -> None:
    account = an_account("poison")
    poison = f"\x00not json {uuid4()}".encode()
    product.publish(
        Message(USAGE_TOPIC, account.encode(), poison, [("odd", b"\x00")]),
        Message(USAGE_TOPIC, account.encode(), _cloudevent(account, f"{account}-1")),
    )
    wait_for_usage(product, account, exported=1)
    kept = "SELECT count(*) FROM dead_letters WHERE value = :value"
    assert product.fetch_value("health", kept, value=poison) == 1


def open_account(product: Product, account: str, **order: Any) -> None:
    """Open an account with owners, and wait until health knows whose peer it is."""
    onboarding = product.client("onboarding")
    order = {"account_id": account, "name": f"Company {account}", "segment": "enterprise", **order}
    opened = onboarding.post("/api/v1/accounts", json=order)
    assert opened.status_code == 201, opened.text
    etag = opened.headers["ETag"]
    for role, name, email in (("csm", "Ana", CSM), ("ae", "Axel", AE)):
        answer = onboarding.put(
            f"/api/v1/accounts/{account}/owners/{role}",
            json={"name": name, "email": email},
            headers={"If-Match": etag},
        )
        assert answer.status_code == 200, answer.text
        etag = answer.headers["ETag"]

    def segment_of() -> Any:
        shown = product.client("health").get(f"/api/v1/accounts/{account}/health").json()
        return shown.get("segment") == "enterprise"

    eventually(segment_of, what="the segment is known to health")


def sign_contract(product: Product, account: str, seats: int) -> None:
    today = datetime.now(UTC).date()
    order = {
        "starts_on": str(today - timedelta(days=200)),
        "ends_on": str(today + timedelta(days=165)),
        "notice_period_days": 90,
        "seats": seats,
        "amount": {"amount_minor": 12_000_000, "currency": "EUR"},
    }
    answer = product.client("renewals").post(f"/api/v1/accounts/{account}/contracts", json=order)
    assert answer.status_code == 201, answer.text


def signal(product: Product, account: str, what: str, **more: Any) -> dict[str, Any]:
    answer = product.client("health").post(
        f"/api/v1/accounts/{account}/signals", json={"type": what, **more}
    )
    assert answer.status_code == 201, answer.text
    said: dict[str, Any] = answer.json()
    return said


def renewal(product: Product, account: str) -> dict[str, Any]:
    answer = product.client("renewals").get(f"/api/v1/accounts/{account}/renewals")
    (found,) = answer.json()["data"]
    shown: dict[str, Any] = found
    return shown


def inbox(product: Product, who: str, account: str) -> list[dict[str, Any]]:
    answer = product.client("notifications").get(
        "/api/v1/inbox", params={"recipient": who, "limit": 200}
    )
    return [item for item in answer.json()["data"] if item["account"]["id"] == account]


@pytest.fixture(scope="module")
def _endpoint(product: Product) -> None:
    """Has every message posted to the webhook receiver."""
    hooks = product.receivers.hooks
    made = product.client("notifications").post(
        "/api/v1/webhook_endpoints", json={"url": hooks.url}
    )
    assert made.status_code == 201, made.text
    hooks.trust(made.json()["secret"])


def told(product: Product, account: str) -> dict[str, Counter[str]]:
    """Return how often each kind of message about an account arrived, on each channel."""
    hooks = [
        hook
        for hook in product.receivers.hooks.received
        if hook.payload.get("data", {}).get("account", {}).get("id") == account
    ]
    assert all(hook.is_genuine for hook in hooks)
    assert len({hook.webhook_id for hook in hooks}) == len(hooks)
    mails = [
        mail for mail in product.receivers.mail.mails if mail.message["X-Tenure-Account"] == account
    ]
    items = [*inbox(product, CSM, account), *inbox(product, AE, account)]
    return {
        "webhook": Counter(str(hook.payload["type"]) for hook in hooks),
        "email": Counter(
            f"{mail.recipients[0]} {mail.message['X-Tenure-Reason']}" for mail in mails
        ),
        "inbox": Counter(f"{item['recipient']} {item['kind']}" for item in items),
    }


@pytest.mark.usefixtures("_endpoint")
def test_a_signal_becomes_one_alert_with_its_reason_and_recovery_closes_it(
    product: Product,
) -> None:
    account = an_account("loop")
    open_account(product, account)
    sign_contract(product, account, seats=50)

    def is_of_its_segment() -> Any:
        label: str = renewal(product, account)["reasons"][0]["label"]
        return "enterprise" in label

    # The contract may be heard of before the account: until then the usual is another segment's.
    eventually(is_of_its_segment, what="renewals knows the segment")
    before = renewal(product, account)
    assert (before["at_risk"], before["open_save"]) == (False, None)

    first = signal(product, account, "payment_failed", external_id=f"in-{account}")
    again = signal(product, account, "payment_failed", external_id=f"in-{account}")
    assert (first["recorded"], again["recorded"]) == (True, False)

    (risk,) = product.client("health").get(f"/api/v1/risks?account_id={account}").json()["data"]
    assert (risk["reason"], risk["status"], risk["severity"]) == (
        "payment_failed",
        "open",
        "medium",
    )
    assert risk["next_step"]

    def is_lowered() -> Any:
        return renewal(product, account)["at_risk"]

    eventually(is_lowered, what="the renewal is at risk")
    lowered = renewal(product, account)
    assert lowered["probability"] < before["probability"]
    reasons = lowered["reasons"]
    assert reasons[-1]["risk_id"] == risk["id"]
    assert reasons[-1]["effect_points"] < 0
    points = sum(reason["effect_points"] for reason in reasons)
    assert points == pytest.approx(lowered["probability"] * 100, abs=0.05)
    (save_reason,) = lowered["open_save"]["reasons"]
    assert (save_reason["reason"], save_reason["gone_at"]) == ("payment_failed", None)

    alarms = {
        "webhook": Counter({"risk.opened": 1, "renewal.at_risk": 1}),
        "email": Counter({f"{CSM} payment_failed": 1, f"{AE} payment_failed": 1}),
        "inbox": Counter({f"{CSM} risk.opened": 1, f"{AE} renewal.at_risk": 1}),
    }
    eventually(lambda: _at_least(told(product, account), alarms), what="every alarm arrived")
    (alert,) = [item for item in inbox(product, CSM, account) if item["kind"] == "risk.opened"]
    assert alert["title"] == "A payment has failed"
    assert alert["explanation"].startswith("A payment has failed (on ")
    assert alert["next_step"] == risk["next_step"]
    read = product.client("notifications").post(f"/api/v1/inbox/{alert['id']}/read")
    assert read.json()["read_at"] is not None

    signal(product, account, "payment_recovered")
    eventually(lambda: not renewal(product, account)["at_risk"], what="the renewal is restored")
    restored = renewal(product, account)
    assert restored["probability"] == before["probability"]
    (save,) = product.client("renewals").get(f"/api/v1/accounts/{account}/saves").json()["data"]
    assert (save["is_open"], save["outcome"]) == (False, "recovered")
    ends = {channel: Counter(found) for channel, found in alarms.items()}
    ends["webhook"].update(["risk.recovered", "renewal.restored"])
    ends["inbox"].update([f"{CSM} risk.recovered", f"{AE} renewal.restored"])
    ends["email"].update([f"{CSM} payment_failed", f"{AE} payment_failed"])
    eventually(lambda: _at_least(told(product, account), ends), what="every all-clear arrived")
    product.wait_until_quiet()
    found = told(product, account)
    # Windows that the contract is in are told as well; they are not what this is about.
    for name in ("webhook", "inbox"):
        found[name] = Counter({k: n for k, n in found[name].items() if "window" not in k})
    assert found == ends


def _at_least(found: dict[str, Counter[str]], wanted: dict[str, Counter[str]]) -> bool:
    return all(wanted[channel] <= found[channel] for channel in wanted)


def use(product: Product, account: str, users: int) -> None:
    """Let users use the product on four past days that are over everywhere, and today."""
    now = datetime.now(UTC)
    events = [
        _cloudevent(
            account, f"{account}-{day}-{user}", at=now - timedelta(days=day), user=f"u{user}"
        )
        for day in (6, 5, 4, 3, 0)
        for user in range(users)
    ]
    value = b"[" + b",".join(events) + b"]"
    product.publish(Message(USAGE_TOPIC, account.encode(), value))


def opportunity(product: Product, account: str) -> dict[str, Any]:
    answer = product.client("expansion").get(f"/api/v1/accounts/{account}/opportunities")
    found = answer.json().get("data") or [{"status": None, "because": []}]
    shown: dict[str, Any] = found[0]
    return shown


def wait_for_opportunity(product: Product, account: str, status: str, *because: str) -> None:
    def is_so() -> bool:
        found = opportunity(product, account)
        return (found["status"], found["because"]) == (status, list(because))

    eventually(is_so, what=f"an opportunity that is {status} because of {because}")


def test_seats_in_use_become_an_opportunity_that_a_risk_withholds(product: Product) -> None:
    account = an_account("expand")
    open_account(product, account, start_onboarding=False)
    sign_contract(product, account, seats=4)
    use(product, account, users=4)
    wait_for_opportunity(product, account, "open")
    signal(product, account, "champion_left")
    wait_for_opportunity(product, account, "withheld", "risk:champion_left")
    signal(product, account, "champion_named")
    wait_for_opportunity(product, account, "open")


def test_nothing_is_sold_to_an_account_that_is_landing(product: Product) -> None:
    account = an_account("land")
    open_account(product, account)
    sign_contract(product, account, seats=4)
    use(product, account, users=4)
    wait_for_opportunity(product, account, "withheld", "landing")


def test_usage_reaches_first_value_in_the_onboarding_plan(product: Product) -> None:
    account = an_account("value")
    open_account(product, account)
    batch = [
        {
            "type": "track",
            "messageId": f"{account}-{user}",
            "userId": f"u{user}",
            "event": "report.exported",
            "context": {"groupId": account},
        }
        for user in range(3)
    ]
    answer = product.client("health", "usage:write").post("/v1/batch", json={"batch": batch})
    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)

    def plan() -> Any:
        found = product.client("onboarding").get(f"/api/v1/accounts/{account}/onboarding").json()
        return found["first_value_at"]

    reached = eventually(plan, what="first value")
    assert date.fromisoformat(reached[:10]) == datetime.now(UTC).date()
    eventually(
        lambda: any(item["kind"] == "first_value.reached" for item in inbox(product, CSM, account)),
        what="the CSM reads the good news",
    )


def test_health_explains_its_score_exactly(product: Product) -> None:
    account = an_account("score")
    open_account(product, account, start_onboarding=False)
    signal(product, account, "nps_answered", value=2)
    signal(product, account, "payment_failed")

    def explained() -> Any:
        answer = product.client("health").get(f"/api/v1/accounts/{account}/health/explain")
        lines = answer.json().get("lines", [])
        seen = {line["metric"] for line in lines if line["observed"]}
        return answer.json() if seen == {"nps", "payments"} else None

    shown = eventually(explained, what="a score by both signals")
    assert sum(line["points"] for line in shown["lines"]) == pytest.approx(shown["score"])
    assert len(shown["missing"]) == len(shown["lines"]) - 2
