"""Everything the checker judges by, read once while nothing is said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tenure.catalog import SERVICES
from tests.faults.harness.database import Reader, Row, of_all_services
from tests.faults.harness.ledger import Ledger
from tests.faults.harness.scene import Scene
from tests.faults.harness.topics import Log

HEALTH = "io.tenure.health."
_LOOKS = 3
ALERTS = {
    "io.tenure.health.risk_opened.v1": "risk.opened",
    "io.tenure.health.risk_recovered.v1": "risk.recovered",
    "io.tenure.renewals.renewal_at_risk.v1": "renewal.at_risk",
    "io.tenure.renewals.renewal_restored.v1": "renewal.restored",
}
# What people were never told of is a suspicion to them; what a person dismissed is over; what is
# told with a stronger risk goes on.
_RISKS = """
SELECT account_id, id::text AS id, reason, CASE
    WHEN risk->>'opened_at' IS NULL THEN 'suspected'
    WHEN status = 'dismissed' THEN 'recovered'
    WHEN status = 'merged' THEN 'open'
    ELSE status END AS status
FROM health.risks
"""


@dataclass
class Found:
    """Everything that was read, once."""

    ledger: Ledger
    log: Log
    lives: Sequence[Log]
    counted: Mapping[UUID, int]
    daily: Mapping[tuple[Any, ...], int]
    users: Mapping[tuple[Any, ...], int]
    outbox: Mapping[str, Sequence[Row]]
    inbox: Mapping[str, set[str]]
    letters: Sequence[Row]
    risks: Sequence[Row]
    messages: Sequence[Row]
    deliveries: Sequence[Row]


def read_at_rest(scene: Scene) -> Found:
    """Read everything while nothing is said: a score may move seconds after the last event.

    What is said between one look and the next would be seen in one place and not in the other.
    """
    for _ in range(_LOOKS):
        before = _said(scene, "WHERE publishedat IS NOT NULL")
        found = _read(scene)
        late = _said(scene) - before
        if not late:
            break
        scene.say(f"  said while looking: {', '.join(sorted(kind for _, kind in late))}")
        scene.settle()
    return found


def alerting(found: Found) -> list[Row]:
    """Return the facts that people are to be told of."""
    return [row for rows in found.outbox.values() for row in rows if row["type"] in ALERTS]


def of_type(found: Found, name: str) -> list[Row]:
    """Return the facts of health by their short name."""
    return [row for row in found.outbox["health"] if row["type"] == f"{HEALTH}{name}.v1"]


def _said(scene: Scene, where: str = "") -> set[tuple[str, str]]:
    rows = scene.reader.rows(
        of_all_services(f"SELECT id::text AS id, type FROM {{s}}.outbox {where}")
    )
    return {(row["id"], row["type"]) for row in rows}


def _read(scene: Scene) -> Found:
    ask = scene.reader.rows
    daily = ask("SELECT account_id, day, name, n FROM health.usage_daily")
    users = ask("SELECT account_id, day, user_id, n FROM health.usage_users")
    return Found(
        ledger=scene.ledger,
        log=scene.topics.read(),
        lives=scene.topics.lives,
        counted={
            row["key"]: row["n"]
            for row in ask("SELECT key, count(*) AS n FROM health.usage_id_keys GROUP BY key")
        },
        daily={(r["account_id"], r["day"], r["name"]): int(r["n"]) for r in daily},
        users={(r["account_id"], r["day"], r["user_id"]): int(r["n"]) for r in users},
        outbox={name: _outbox(scene.reader, name) for name in SERVICES},
        inbox={name: _inbox(scene.reader, name) for name in SERVICES},
        letters=ask(
            of_all_services(
                "SELECT '{s}' AS service, topic, value, code, created_at, copied_at "
                "FROM {s}.dead_letters"
            )
        ),
        risks=ask(_RISKS),
        messages=ask(
            "SELECT id, account_id, key, kind, reason, subject FROM notifications.messages"
        ),
        deliveries=ask(
            "SELECT d.id, d.channel, d.recipient, d.status, d.last_error, m.kind, m.account_id, "
            "m.reason, m.subject FROM notifications.deliveries d "
            "JOIN notifications.messages m ON m.id = d.message_id"
        ),
    )


def _outbox(reader: Reader, service: str) -> Sequence[Row]:
    return reader.rows(
        "SELECT seq, id::text AS id, aggregateid AS account, type, payload->'data' AS data, "
        f"publishedat FROM {service}.outbox ORDER BY seq"
    )


def _inbox(reader: Reader, service: str) -> set[str]:
    rows = reader.rows(f"SELECT id FROM {service}.inbox WHERE source LIKE '/tenure/%'")
    return {row["id"] for row in rows}
