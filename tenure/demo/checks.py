"""What must be true after the story, each as expected and got."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenure.demo.cast import Part
from tenure.demo.evidence import Evidence

_EXACT = 1e-6

EXPECTED_RISKS: Mapping[Part, frozenset[str]] = {
    Part.FALLING: frozenset({"usage_drop"}),
    Part.SILENT: frozenset({"usage_drop", "silence"}),
    Part.SHAKEN: frozenset({"champion_left", "payment_failed"}),
}
"""What the story does to whom, a dip being told with its drop; any other risk is a false alarm."""

_STILL_AT_RISK = (Part.FALLING, Part.SILENT)


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold."""

    name: str
    expected: Any
    got: Any

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return bool(self.expected == self.got)

    def as_dict(self) -> Mapping[str, Any]:
        """Return it as JSON shows it."""
        return {"name": self.name, "ok": self.ok, "expected": self.expected, "got": self.got}


def checks(found: Evidence) -> Sequence[Check]:
    """Return every check of a run."""
    return [*_counting(found), *_telling(found), *_renewing(found), *_selling(found), *_rest(found)]


def _counting(found: Evidence) -> Iterator[Check]:
    books, log = found.books, found.log
    counted = books.counted
    yield Check(
        "published less rejected = counted", found.published - len(books.rejections), counted
    )
    in_kafka = len(set(log.usage) - books.rejections)
    yield Check("distinct good events in Kafka = counted", in_kafka, counted)
    yield Check("events were sent twice on purpose", True, found.duplicates > 0)
    yield Check("invalid events were sent on purpose", True, len(books.rejections) > 0)
    yield Check("poison is set aside", log.poison, books.dead_letters)
    yield Check("poison was sent on purpose", True, log.poison > 0)


def _telling(found: Evidence) -> Iterator[Check]:
    expected = {found.accounts[part]: sorted(why) for part, why in EXPECTED_RISKS.items()}
    yield Check("risks opened, and no others", expected, _reasons(found))
    told = sorted(f"{alert.account} {alert.reason}" for alert in found.alerts)
    opened = sorted(f"{risk.account_id} {risk.reason}" for risk in found.books.risks)
    yield Check("an alert for each risk", opened, told)
    wrong = [
        f"{alert.account} {alert.reason}: {alert.inbox}/{alert.email}/{alert.webhook}"
        for alert in found.alerts
        if (alert.inbox, alert.email, alert.webhook) != (1, 1, 1)
    ]
    yield Check("each alert once in inbox, e-mail and webhook", [], wrong)
    yield Check("no mail came twice", found.distinct_mails, found.mails)
    yield Check("every webhook signature is valid", 0, found.forged_hooks)
    opened_facts = found.log.distinct("risk_opened")
    yield Check("risks opened in Postgres = in Kafka", len(found.books.risks), opened_facts)
    recovered = sum(risk.status == "recovered" for risk in found.books.risks)
    recovered_facts = found.log.distinct("risk_recovered")
    yield Check("risks recovered in Postgres = in Kafka", recovered, recovered_facts)
    shaken = found.accounts[Part.SHAKEN]
    still = [r.reason for r in found.books.risks if r.account_id == shaken and r.status == "open"]
    yield Check(f"every risk of {shaken} has recovered", [], still)
    silent = found.accounts[Part.SILENT]
    over = [r.status for r in found.books.risks if (r.account_id, r.reason) == (silent, "silence")]
    yield Check(f"silence of {silent} has recovered", ["recovered"], over)


def _renewing(found: Evidence) -> Iterator[Check]:
    for part in _STILL_AT_RISK:
        renewal = found.renewals[found.accounts[part]]
        fell = renewal["probability"] < _base(renewal)
        state = {"lowered": fell, "save_open": renewal["at_risk"]}
        yield Check(
            f"renewal of {renewal['account_id']} is lowered and in a save",
            {"lowered": True, "save_open": True},
            state,
        )
    restored = found.renewals[found.accounts[Part.SHAKEN]]
    yield Check(
        f"renewal of {restored['account_id']} is restored and its save closed",
        {"probability": _base(restored), "save_open": False},
        {"probability": restored["probability"], "save_open": restored["at_risk"]},
    )
    fell = found.log.distinct("renewal_at_risk")
    yield Check("each risk lowered its renewal", True, fell >= len(found.books.risks))


def _selling(found: Evidence) -> Iterator[Check]:
    landing = found.opportunities[found.accounts[Part.LANDING]]
    yield Check("no upsell while landing", [("withheld", ["landing"])], _offers(landing))
    growing = found.opportunities[found.accounts[Part.GROWING]]
    yield Check("upsell where nothing is in the way", [("open", [])], _offers(growing))
    withheld = found.log.distinct("opportunity_withheld")
    yield Check("upsell was withheld for the risk and for landing", 2, withheld)


def _rest(found: Evidence) -> Iterator[Check]:
    waiting = {name: n for name, n in found.books.unpublished.items() if n}
    yield Check("outboxes are empty", {}, waiting)
    yield Check("every event validates with the CloudEvents SDK", [], found.log.invalid[:5])
    wrong = [
        account
        for account, score in found.explained.items()
        if abs(sum(line["points"] for line in score["lines"]) - score["score"]) > _EXACT
    ]
    yield Check("every score is the sum of its explanation", [], wrong)
    yield Check("every account has a score", 20, len(found.explained))


def _reasons(found: Evidence) -> Mapping[str, Sequence[str]]:
    reasons: dict[str, list[str]] = {}
    for risk in found.books.risks:
        reasons.setdefault(risk.account_id, []).append(risk.reason)
    return {account: sorted(why) for account, why in reasons.items()}


def _base(renewal: Mapping[str, Any]) -> float:
    return float(renewal["reasons"][0]["effect_points"]) / 100


def _offers(opportunities: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    return [(each["status"], each["because"]) for each in opportunities]
