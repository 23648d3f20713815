"""What a notifications test needs, with everything it does not care about filled in."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifications.domain.delivery import Delivery, Status
from services.notifications.domain.endpoint import Endpoint, SigningKey
from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.message import Message, Notice
from services.notifications.domain.person import Audience, Person, Role
from services.notifications.domain.rules import Rule, RuleBook
from services.notifications.domain.severity import Severity
from services.notifications.domain.subscription import Channel, Filter, Subscription
from services.notifications.gateways.vault import Vault
from shared.contracts.health import (
    RiskAwoke,
    RiskDismissed,
    RiskMerged,
    RiskOpened,
    RiskRecovered,
    RiskSnoozed,
    RiskWorsened,
)
from shared.contracts.onboarding import AccountOpened, OwnerAssigned
from shared.contracts.renewals import (
    RenewalAtRisk,
    RenewalReassessed,
    RenewalRestored,
    RenewalWindowOpened,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
ANA = Person("ana@vendor.example", "Ana")
BEN = Person("ben@vendor.example", "Ben")
ENDPOINT_ID = UUID("0199a1b2-0000-7000-8000-000000000001")
MESSAGE_ID = UUID("0199a1b2-0000-7000-8000-000000000002")
DELIVERY_ID = UUID("0199a1b2-0000-7000-8000-000000000003")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VAULT_KEY = base64.b64encode(b"the key of no installation known").decode()
VAULT = Vault(base64.b64decode(VAULT_KEY))


def notice(kind: MessageKind = MessageKind.RISK_OPENED, **given: Any) -> Notice:
    usual = {
        "account_id": "acme",
        "reason": "usage_drop",
        "severity": Severity.HIGH,
        "title": "Usage fell by half",
        "explanation": "Usage is at 52 % of what is normal.",
        "next_step": "Call the champion.",
        "subject": "risk:r1",
        "happened_at": NOON,
    }
    return Notice(kind=kind, **{**usual, **given})


def message(kind: MessageKind = MessageKind.RISK_OPENED, **given: Any) -> Message:
    return Message.of(notice(kind, **given), MESSAGE_ID, episode=1, rules="default-1", at=NOON)


def delivery(**given: Any) -> Delivery:
    usual = {
        "account_id": "acme",
        "id": DELIVERY_ID,
        "message_id": MESSAGE_ID,
        "channel": Channel.EMAIL,
        "recipient": ANA.email,
        "recipient_name": ANA.name,
        "status": Status.SENDING,
        "created_at": NOON,
        "next_attempt_at": NOON,
        "attempts": 1,
    }
    return Delivery(**{**usual, **given})


def audience(segment: str | None = "smb", **owners: Person) -> Audience:
    return Audience("acme", segment, owners)


def rule(*events: str, **given: Any) -> Rule:
    usual = {
        "name": "a rule",
        "roles": (Role.CSM,),
        "channels": (Channel.INBOX, Channel.EMAIL),
        "min_severity": None,
        "window": DAY,
    }
    return Rule(events=events or ("*",), **{**usual, **given})


def book(*rules: Rule) -> RuleBook:
    return RuleBook("test-1", DAY, rules)


def endpoint(**given: Any) -> Endpoint:
    usual = {
        "id": ENDPOINT_ID,
        "url": "https://hooks.vendor.example/tenure",
        "description": "",
        "events": ("*",),
        "disabled_because": None,
        "version": 1,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Endpoint(**{**usual, **given})


def key(number: int = 1, **given: Any) -> SigningKey:
    key_id = UUID(int=number)
    sealed = VAULT.seal(SECRET, endpoint_id=ENDPOINT_ID, key_id=key_id)
    return SigningKey(**{"id": key_id, "sealed": sealed, "created_at": NOON, **given})


def subscription(recipient: Any = BEN, *events: str, **given: Any) -> Subscription:
    usual = {
        "id": UUID(int=9),
        "channels": (Channel.WEBHOOK if isinstance(recipient, UUID) else Channel.INBOX,),
        "filter": Filter(),
        "created_at": NOON,
    }
    return Subscription(recipient=recipient, events=events or ("*",), **{**usual, **given})


def risk_opened(account_id: str = "acme", **given: Any) -> RiskOpened:
    return RiskOpened(account_id=account_id, **_risk(given))


def risk_worsened(account_id: str = "acme", **given: Any) -> RiskWorsened:
    return RiskWorsened(account_id=account_id, **_risk({"severity": "critical", **given}))


def risk_awoke(account_id: str = "acme", **given: Any) -> RiskAwoke:
    usual = {
        "risk_id": "r1",
        "reason": "usage_drop",
        "severity": "high",
        "by": "health",
        "note": "Its time has come.",
        "explanation": "Usage is at 48 % of what is normal.",
        "next_step": "Call the champion.",
    }
    return RiskAwoke(account_id=account_id, **{**usual, **given})


def risk_snoozed(account_id: str = "acme", **given: Any) -> RiskSnoozed:
    until = datetime(2026, 3, 9, 8, tzinfo=UTC)
    usual = {"risk_id": "r1", "reason": "usage_drop", "by": "Kim", "note": "QBR.", "until": until}
    return RiskSnoozed(account_id=account_id, **{**usual, **given})


def risk_dismissed(account_id: str = "acme", **given: Any) -> RiskDismissed:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    usual = {
        "risk_id": "r1",
        "reason": "usage_drop",
        "by": "Kim",
        "note": "No.",
        "dismissed_at": at,
    }
    return RiskDismissed(account_id=account_id, **{**usual, **given})


def risk_merged(account_id: str = "acme", **given: Any) -> RiskMerged:
    usual = {
        "risk_id": "r1",
        "reason": "usage_drop",
        "into_risk_id": "r2",
        "into_reason": "silence",
    }
    return RiskMerged(account_id=account_id, **{**usual, **given})


def risk_recovered(account_id: str = "acme", **given: Any) -> RiskRecovered:
    usual = {
        "risk_id": "r1",
        "reason": "usage_drop",
        "explanation": "Usage is back to normal.",
        "opened_at": NOON,
        "recovered_at": NOON,
    }
    return RiskRecovered(account_id=account_id, **{**usual, **given})


def renewal_at_risk(account_id: str = "acme", **given: Any) -> RenewalAtRisk:
    usual = {
        "renewal_id": "n1",
        "save_id": "s1",
        "reason": "usage_drop",
        "explanation": "The odds fell because usage fell.",
        "probability": 0.6,
        "previous_probability": 0.9,
        "amount_minor": 120_000,
        "currency": "EUR",
        "notice_date": "2026-06-30",
    }
    return RenewalAtRisk(account_id=account_id, **{**usual, **given})


def renewal_restored(account_id: str = "acme", **given: Any) -> RenewalRestored:
    usual = {
        "renewal_id": "n1",
        "reason": "usage_drop",
        "probability": 0.9,
        "previous_probability": 0.6,
        "save_closed": True,
        "restored_at": NOON,
    }
    return RenewalRestored(account_id=account_id, **{**usual, **given})


def renewal_reassessed(account_id: str = "acme", **given: Any) -> RenewalReassessed:
    usual = {
        "renewal_id": "n1",
        "reason": "usage_drop",
        "into_reason": "silence",
        "probability": 0.6,
        "previous_probability": 0.4,
    }
    return RenewalReassessed(account_id=account_id, **{**usual, **given})


def renewal_window_opened(account_id: str = "acme", **given: Any) -> RenewalWindowOpened:
    fact: dict[str, Any] = {
        "renewal_id": "ren-1",
        "contract_id": "con-1",
        "window_days": 30,
        "notice_date": NOON.date() + timedelta(days=30),
        "probability": 0.85,
        **given,
    }
    return RenewalWindowOpened(account_id=account_id, **fact)


def account_opened(account_id: str = "acme", **given: Any) -> AccountOpened:
    usual = {"name": "Acme GmbH", "segment": "smb", "time_zone": "UTC", "opened_at": NOON}
    return AccountOpened(account_id=account_id, **{**usual, **given})


def owner_assigned(
    person: Person = ANA, role: str = "csm", account_id: str = "acme"
) -> OwnerAssigned:
    return OwnerAssigned(account_id=account_id, role=role, email=person.email, name=person.name)


def _risk(given: dict[str, Any]) -> dict[str, Any]:
    usual = {
        "risk_id": "r1",
        "reason": "usage_drop",
        "severity": "high",
        "title": "Usage fell by half",
        "explanation": "Usage is at 52 % of what is normal.",
        "next_step": "Call the champion.",
        "profile": "default-1",
        "caused_at": NOON,
    }
    return {**usual, **given}
