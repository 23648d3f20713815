"""A service that really runs, with something of each kind in it for hostile requests to find."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from services.notifications.listeners import LISTENERS
from shared.contracts.event import Event
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.expansion import contract_signed, usage
from tests.builders.notifications import ANA, VAULT_KEY, account_opened, owner_assigned, risk_opened
from tests.conftest import make_app, make_key
from tests.integration.expansion.hearing import hear
from tests.security.hostile import Operation, operations
from tests.security.wire import Request, Wire, served

ACME = "/api/v1/accounts/acme"
NOWHERE = "0199d0c2-7e2a-7bb1-9d0e-3f1f6b8f2a11"
_SETTINGS: dict[str, dict[str, Any]] = {
    "health": {"health_webhook_secrets": {"stripe": "whsec_only_for_tests"}},
    "notifications": {"webhook_secret_key": VAULT_KEY},
}
_ORDER = {
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
    "seats": 10,
    "amount": {"amount_minor": 100, "currency": "EUR"},
}


@dataclass
class Target:
    """A running service, its operations, ids of what is in it, and keys that open it."""

    service: str
    wire: Wire
    admin: str
    writer: str
    operations: list[Operation] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)

    def request(
        self,
        operation: Operation,
        *,
        method: bytes = b"",
        target: bytes = b"",
        headers: Mapping[bytes, bytes] | None = None,
        body: bytes | None = None,
    ) -> Request:
        """Return a request that has sense, apart from what is given."""
        key = self.admin if operation.path.startswith("/api/") else self.writer
        usual = {
            b"Authorization": f"Bearer {key}".encode(),
            b"Content-Type": b"application/json",
            b"If-Match": b"*",
        }
        if body is None:
            body = json.dumps(operation.example()).encode() if operation.body_schema else b""
        return Request(
            method or operation.method.encode(),
            target or operation.target(self.known),
            {**usual, **(headers or {})},
            body,
        )

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Do something that must succeed; return what is answered."""
        headers = {
            b"Authorization": f"Bearer {self.admin}".encode(),
            b"Content-Type": b"application/json",
        }
        raw = b"" if body is None else json.dumps(body).encode()
        answer = await self.wire.ask(Request(method.encode(), path.encode(), headers, raw))
        assert answer.status < 300, (method, path, answer)
        return json.loads(answer.body)


@asynccontextmanager
async def running(
    service: str, database: Database, clock: FixedClock, **settings: Any
) -> AsyncIterator[Target]:
    """Run a service until the block ends."""
    app = make_app(service, clock, workers=False, **settings, **_SETTINGS.get(service, {}))
    admin = await make_key(database, ["admin"])
    writer = await make_key(database, ["usage:write"])
    async with served(app) as wire:
        target = Target(service, wire, admin, writer)
        target.operations = operations(await target.call("GET", "/openapi.json"))
        target.known = {"account_id": "acme", **await _FILL[service](target, database)}
        yield target


async def _onboarding(target: Target, _database: Database) -> dict[str, str]:
    await target.call("POST", "/api/v1/accounts", {"account_id": "acme", "name": "Acme"})
    kim = {"name": "Kim", "email": "kim@acme.example", "role": "user"}
    contact = await target.call("POST", f"{ACME}/contacts", kim)
    plan = await target.call("GET", f"{ACME}/onboarding")
    return {"contact_id": contact["contact_id"], "role": "csm", "key": plan["milestones"][0]["key"]}


async def _health(target: Target, _database: Database) -> dict[str, str]:
    signal = await target.call("POST", f"{ACME}/signals", {"type": "payment_failed"})
    (risk, *_) = (await target.call("GET", "/api/v1/risks"))["data"]
    nothing = ("decision_id", "gap_id", "backtest_id", "disagreement_id")
    return {
        "risk_id": risk["id"],
        "signal_id": signal["id"],
        "name": "default",
        "version": "1",
        "mapping": "stripe",
        "system": "stripe",
        "external_id": "cus_1",
        "unmatched_id": "1",
        **dict.fromkeys(nothing, NOWHERE),
    }


async def _expansion(target: Target, database: Database) -> dict[str, str]:
    await hear(database, contract_signed(), usage())
    (found,) = (await target.call("GET", f"{ACME}/opportunities"))["data"]
    return {"opportunity_id": found["opportunity_id"]}


async def _renewals(target: Target, _database: Database) -> dict[str, str]:
    contract = await target.call("POST", f"{ACME}/contracts", _ORDER)
    (renewal,) = (await target.call("GET", f"{ACME}/renewals"))["data"]
    return {"contract_id": contract["contract_id"], "renewal_id": renewal["renewal_id"]}


async def _notifications(target: Target, database: Database) -> dict[str, str]:
    for fact in (account_opened(), owner_assigned(), risk_opened()):
        cause = Event.of(fact, time=database.clock.now(), cause=None, traceparent=None)
        async with database.transaction(cause=cause) as tx:
            for listener in LISTENERS:
                if listener.fact is type(fact):
                    await listener.handle(tx, fact)
    (item, *_) = (await target.call("GET", f"/api/v1/inbox?recipient={ANA.email}"))["data"]
    (delivery, *_) = (await target.call("GET", "/api/v1/deliveries"))["data"]
    url = {"url": "https://hooks.vendor.example/tenure"}
    endpoint = await target.call("POST", "/api/v1/webhook_endpoints", url)
    wish = {"recipient": {"email": "b@v.example"}, "channels": ["inbox"], "events": ["risk.*"]}
    subscription = await target.call("POST", "/api/v1/subscriptions", wish)
    return {
        "item_id": item["id"],
        "delivery_id": delivery["id"],
        "endpoint_id": endpoint["id"],
        "subscription_id": subscription["id"],
    }


_FILL = {
    "onboarding": _onboarding,
    "health": _health,
    "expansion": _expansion,
    "renewals": _renewals,
    "notifications": _notifications,
}
