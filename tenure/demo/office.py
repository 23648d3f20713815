"""What people do in the demo, through the public APIs of the services."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Self

import httpx

from tenure.demo.cast import Customer, ae_of, csm_of
from tenure.demo.stage import DemoFailedError

_AT_ONCE = 5
_NOTICE_DAYS = 30
_TERM = timedelta(days=364)
_SECONDS = 15.0


class Office:
    """Calls the services with an administrator's key. Raises `DemoFailedError` when refused."""

    def __init__(self, urls: Mapping[str, str], key: str) -> None:
        self._urls = urls
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"}, timeout=_SECONDS, trust_env=False
        )
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def welcome(self, customer: Customer, today: date, *, landing: bool) -> None:
        """Open an account with its owners, champion and contract."""
        async with self._slots:
            order = {
                "account_id": customer.account_id,
                "name": customer.name,
                "segment": customer.segment,
                "time_zone": customer.time_zone,
                "start_onboarding": landing,
            }
            opened = await self._call("POST", "onboarding/accounts", order)
            await self._own(customer, opened)
            await self.name_champion(customer, "Kim Sorel")
            contracts = f"renewals/accounts/{customer.account_id}/contracts"
            await self._call("POST", contracts, _contract(customer, today))

    async def name_champion(self, customer: Customer, name: str) -> None:
        """Add a champion at the customer."""
        address = f"{name.split(maxsplit=1)[0].lower()}@{customer.account_id}.example"
        order = {"name": name, "email": address, "role": "champion"}
        await self._call("POST", f"onboarding/accounts/{customer.account_id}/contacts", order)

    async def lose_champion(self, customer: Customer) -> None:
        """Note that the customer's champions have left."""
        path = f"onboarding/accounts/{customer.account_id}/contacts"
        for contact in await self.listed(path, status="active"):
            if contact["role"] == "champion":
                await self._call("POST", f"{path}/{contact['contact_id']}/leave")

    async def signal(self, customer: Customer, kind: str) -> None:
        """Record what happened outside the product."""
        path = f"health/accounts/{customer.account_id}/signals"
        await self._call("POST", path, {"type": kind})

    async def add_webhook(self, url: str) -> tuple[str, str]:
        """Add a webhook endpoint for alerts; return its id and its secret."""
        order = {"url": url, "description": "tenure demo", "events": ["risk.*", "renewal.*"]}
        made = (await self._call("POST", "notifications/webhook_endpoints", order)).json()
        return made["id"], made["secret"]

    async def remove_webhook(self, endpoint_id: str) -> None:
        """Take a webhook endpoint away again."""
        await self._call("DELETE", f"notifications/webhook_endpoints/{endpoint_id}")

    async def shown(self, path: str) -> Mapping[str, Any]:
        """Read one thing; a path begins with the service."""
        found: Mapping[str, Any] = (await self._call("GET", path)).json()
        return found

    async def listed(self, path: str, **query: str) -> Sequence[Mapping[str, Any]]:
        """Read a list to its end."""
        found: list[Mapping[str, Any]] = []
        wanted = dict(query, limit="100")
        while True:
            page = (await self._call("GET", path, query=wanted)).json()
            found += page["data"]
            if not page["has_more"]:
                return found
            wanted["cursor"] = page["next_cursor"]

    async def _own(self, customer: Customer, before: httpx.Response) -> None:
        """Assign the owners; each change is made from the version that was read before."""
        path = f"onboarding/accounts/{customer.account_id}/owners"
        for role, person in (("csm", csm_of(customer)), ("ae", ae_of(customer))):
            order = {"name": person.name, "email": person.email}
            before = await self._call("PUT", f"{path}/{role}", order, match=before)

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        match: httpx.Response | None = None,
        query: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        service, _, rest = path.partition("/")
        url = f"{self._urls[service]}/api/v1/{rest}"
        headers = {"If-Match": match.headers["etag"]} if match else {}
        try:
            answer = await self._client.request(
                method, url, json=body, headers=headers, params=query
            )
        except httpx.HTTPError as error:
            raise DemoFailedError(f"{method} {url}: {type(error).__name__} {error}") from None
        if answer.is_error:
            raise DemoFailedError(f"{method} {url} answered {answer.status_code}: {answer.text}")
        return answer


def _contract(customer: Customer, today: date) -> Mapping[str, Any]:
    ends_on = today + timedelta(days=customer.days_to_notice + _NOTICE_DAYS)
    return {
        "starts_on": (ends_on - _TERM).isoformat(),
        "ends_on": ends_on.isoformat(),
        "notice_period_days": _NOTICE_DAYS,
        "seats": customer.seats,
        "amount": {"amount_minor": customer.amount, "currency": "EUR"},
    }
