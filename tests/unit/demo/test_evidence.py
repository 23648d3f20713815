"""Figures are counted from what arrived, and a check fails when something did not."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from tenure.demo.books import Books, KeptRisk, ToldAlert
from tenure.demo.cast import Part
from tenure.demo.checks import EXPECTED_RISKS, checks
from tenure.demo.evidence import Alert, Evidence, count_alerts, percentile
from tenure.demo.log import Log
from tenure.demo.receivers import ReceivedMail, ReceivedWebhook

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNTS = {part: part.value for part in Part if part is not Part.STEADY}


def told(**changes: Any) -> ToldAlert:
    values: dict[str, Any] = {
        "account_id": "acme",
        "reason": "silence",
        "happened_at": NOON,
        "inbox_at": NOON + timedelta(milliseconds=300),
        "email_at": NOON + timedelta(milliseconds=400),
        "webhook_at": None,
        "inbox": 1,
        "mails": ["d1"],
        "hooks": ["d2"],
    }
    return ToldAlert(**{**values, **changes})


def mail(delivery: str) -> ReceivedMail:
    message = EmailMessage()
    message["Message-ID"] = f"<{delivery}@tenure>"
    return ReceivedMail(("ana@vendor.example",), message, NOON)


def hook(delivery: str, *, is_genuine: bool = True) -> ReceivedWebhook:
    return ReceivedWebhook(delivery, {}, {}, "/hook", is_genuine, NOON)


def renewal(account: str, probability: float, *, at_risk: bool) -> dict[str, Any]:
    reasons = [{"effect_points": 85.0}]
    return {
        "account_id": account,
        "probability": probability,
        "at_risk": at_risk,
        "reasons": reasons,
    }


def evidence(**changes: Any) -> Evidence:
    """What a run finds in which everything went well."""
    over = {"champion_left", "payment_failed", "silence"}
    risks = [
        KeptRisk(ACCOUNTS[part], reason, "recovered" if reason in over else "open")
        for part, reasons in EXPECTED_RISKS.items()
        for reason in sorted(reasons)
    ]
    ids = Counter(f"id{n}" for n in range(len(risks)))
    facts = {
        "io.tenure.health.risk_opened.v1": ids,
        "io.tenure.health.risk_recovered.v1": Counter(["a", "b", "c"]),
        "io.tenure.renewals.renewal_at_risk.v1": ids,
        "io.tenure.expansion.opportunity_withheld.v1": Counter(["a", "b"]),
    }
    log = Log(usage=Counter({("s", "1"): 2, ("s", "2"): 1, ("s", "bad"): 1}), facts=facts, poison=1)
    line = {"points": 50.0}
    values: dict[str, Any] = {
        "books": Books(2, frozenset({("s", "bad"), ("s", "never")}), risks, [], {"health": 0}, 1),
        "log": log,
        "alerts": [Alert(risk.account_id, risk.reason, 1, 1, 1) for risk in risks],
        "mails": 7,
        "distinct_mails": 7,
        "forged_hooks": 0,
        "renewals": {
            "falling": renewal("falling", 0.5, at_risk=True),
            "silent": renewal("silent", 0.4, at_risk=True),
            "shaken": renewal("shaken", 0.85, at_risk=False),
        },
        "opportunities": {
            "landing": [{"status": "withheld", "because": ["landing"]}],
            "growing": [{"status": "open", "because": []}],
        },
        "explained": {str(n): {"lines": [line], "score": 50.0} for n in range(20)},
        "accounts": ACCOUNTS,
    }
    return Evidence(**{**values, **changes})


def failed(found: Evidence) -> list[str]:
    return [check.name for check in checks(found) if not check.ok]


def test_a_run_in_which_everything_went_well_passes() -> None:
    assert failed(evidence()) == []


def test_events_are_counted_by_source_and_id() -> None:
    found = evidence()
    assert (found.published, found.duplicates) == (4, 1)


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"alerts": []}, "an alert for each risk"),
        ({"forged_hooks": 1}, "every webhook signature is valid"),
        ({"mails": 8}, "no mail came twice"),
        ({"explained": {}}, "every account has a score"),
        ({"log": Log(poison=1)}, "distinct good events in Kafka = counted"),
    ],
)
def test_what_went_wrong_fails_its_check(changes: dict[str, Any], check: str) -> None:
    assert check in failed(evidence(**changes))


def test_an_alert_that_came_twice_fails() -> None:
    good = evidence()
    twice = [Alert(a.account, a.reason, 1, 2, 1) for a in good.alerts]
    name = "each alert once in inbox, e-mail and webhook"
    assert failed(evidence(alerts=twice)) == [name]


def test_alerts_are_counted_as_receivers_saw_them_and_forgeries_do_not_count() -> None:
    hooks = [hook("d2"), hook("d2", is_genuine=False), hook("other")]
    (alert,) = count_alerts([told()], [mail("d1"), mail("d1"), mail("other")], hooks)
    assert alert == Alert("acme", "silence", inbox=1, email=2, webhook=1)


def test_latency_runs_from_the_cause_and_leaves_out_what_never_arrived() -> None:
    books = Books(0, frozenset(), [], [told()], {}, 0)
    found = evidence(books=books).latencies_ms
    assert found == {"inbox": [300.0], "email": [400.0], "webhook": []}


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.99, 4.0), (1.0, 4.0), (0.01, 1.0)])
def test_percentiles_are_values_that_were_measured(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value


def test_the_percentile_of_nothing_is_nought() -> None:
    assert percentile([], 0.5) == 0.0
