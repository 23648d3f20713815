"""What Postgres says about a run: counts, rejections, risks, alerts and what waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.db.transaction import Database
from tenure.catalog import SERVICES
from tenure.demo.stage import Stage

_ALERTS = """
SELECT m.account_id, m.reason, m.happened_at, min(i.created_at) AS inbox_at,
       count(DISTINCT i.id) AS inbox,
       coalesce(array_agg(DISTINCT d.id::text) FILTER (WHERE d.channel = 'email'), '{}') AS mails,
       coalesce(array_agg(DISTINCT d.id::text) FILTER (WHERE d.channel = 'webhook'), '{}') AS hooks,
       min(d.delivered_at) FILTER (WHERE d.channel = 'email') AS email_at,
       min(d.delivered_at) FILTER (WHERE d.channel = 'webhook') AS webhook_at
FROM messages AS m
LEFT JOIN inbox_items AS i ON i.account_id = m.account_id AND i.message_id = m.id
LEFT JOIN deliveries AS d ON d.account_id = m.account_id AND d.message_id = m.id
WHERE m.kind = 'risk.opened' AND m.account_id = ANY(CAST(:accounts AS text[]))
GROUP BY m.account_id, m.id ORDER BY inbox_at, m.account_id, m.reason
"""
_UNSENT = """
SELECT count(*) FROM deliveries WHERE status IN ('pending', 'sending')
AND next_attempt_at <= :now AND account_id = ANY(CAST(:accounts AS text[]))
"""


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """An alert as the database tells it: one message, and its deliveries by channel."""

    account_id: str
    reason: str
    happened_at: datetime
    inbox_at: datetime | None
    email_at: datetime | None
    webhook_at: datetime | None
    inbox: int
    mails: Sequence[str]
    hooks: Sequence[str]


@dataclass(frozen=True, slots=True)
class KeptRisk:
    """A risk that was ever open."""

    account_id: str
    reason: str
    status: str


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that Postgres knows about a run."""

    counted: int
    rejections: frozenset[tuple[str, str]]
    risks: Sequence[KeptRisk]
    alerts: Sequence[ToldAlert]
    unpublished: Mapping[str, int]
    dead_letters: int


class Auditor:
    """Reads the schemas of the services, as administrator, for one run's accounts only."""

    def __init__(self, stage: Stage, schemas: Mapping[str, Database]) -> None:
        self._stage = stage
        self._schemas = schemas
        self._accounts = stage.account_ids

    async def known(self) -> bool:
        """Tell whether every service that needs them knows all accounts, owners and contracts."""
        mine = "WHERE account_id = ANY(CAST(:accounts AS text[]))"
        found = [
            await self._value("health", f"SELECT count(*) FROM accounts {mine}"),
            await self._value("notifications", f"SELECT count(*) FROM owners {mine}") / 2,
            await self._value("expansion", f"SELECT count(*) FROM entitlements {mine}"),
        ]
        return min(found) >= len(self._accounts)

    async def counted(self) -> int:
        """Return how many events are counted."""
        return await self._value(
            "health",
            "SELECT coalesce(sum(n), 0) FROM usage_daily "
            "WHERE account_id = ANY(CAST(:accounts AS text[]))",
        )

    async def withheld(self, account_id: str) -> bool:
        """Tell whether an account has an upsell that something holds back."""
        sql = "SELECT account_id FROM opportunities WHERE status = 'withheld'"
        return account_id in {row["account_id"] for row in await self._rows("expansion", sql)}

    async def state(self) -> tuple[int, ...]:
        """Return figures that stand still when nothing is under way: first what must be nought."""
        mine = "WHERE account_id = ANY(CAST(:accounts AS text[]))"
        waiting = sum((await self._unpublished()).values())
        return (
            waiting + await self._value("notifications", _UNSENT),
            await self.counted(),
            await self._value("health", f"SELECT count(*) FROM scores {mine}"),
            await self._value("notifications", f"SELECT count(*) FROM messages {mine}"),
            await self._value("renewals", f"SELECT sum(version) FROM renewals {mine}"),
            await self._value("expansion", f"SELECT sum(version) FROM opportunities {mine}"),
        )

    async def read(self) -> Books:
        """Read everything."""
        return Books(
            counted=await self.counted(),
            rejections=await self._rejections(),
            risks=await self._risks(),
            alerts=await self._alerts(),
            unpublished=await self._unpublished(),
            dead_letters=await self._value(
                "health",
                "SELECT count(*) FROM dead_letters WHERE topic = 'tenure.usage' "
                "AND convert_from(key, 'UTF8') = ANY(CAST(:accounts AS text[]))",
            ),
        )

    async def _rejections(self) -> frozenset[tuple[str, str]]:
        rows = await self._rows(
            "health", "SELECT source, event_id FROM rejections WHERE source LIKE '/demo/%'"
        )
        sources = {self._stage.source(name) for name in ("segment", "rudder", "kafka", "history")}
        return frozenset((r["source"], r["event_id"]) for r in rows if r["source"] in sources)

    async def _risks(self) -> Sequence[KeptRisk]:
        rows = await self._rows(
            "health",
            "SELECT account_id, reason, status FROM risks WHERE status <> 'suspected' "
            "AND risk->>'opened_at' IS NOT NULL "
            "AND account_id = ANY(CAST(:accounts AS text[])) ORDER BY opened_at, id",
        )
        return [KeptRisk(**row) for row in rows]

    async def _alerts(self) -> Sequence[ToldAlert]:
        return [ToldAlert(**row) for row in await self._rows("notifications", _ALERTS)]

    async def _unpublished(self) -> Mapping[str, int]:
        sql = (
            "SELECT count(*) FROM outbox WHERE publishedat IS NULL "
            "AND aggregateid = ANY(CAST(:accounts AS text[]))"
        )
        return {name: await self._value(name, sql) for name in SERVICES}

    async def _rows(self, schema: str, sql: str) -> Sequence[Mapping[Any, Any]]:
        async with self._schemas[schema].transaction() as tx:
            return await tx.fetch_all(sql, **self._params(sql, tx.now))

    async def _value(self, schema: str, sql: str) -> int:
        async with self._schemas[schema].transaction() as tx:
            return int(await tx.fetch_value(sql, **self._params(sql, tx.now)) or 0)

    def _params(self, sql: str, now: datetime) -> dict[str, Any]:
        params = {"accounts": self._accounts, "now": now}
        return {name: value for name, value in params.items() if f":{name}" in sql}
