"""The figures of a run as one JSON object."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from tenure.demo.checks import Check
from tenure.demo.evidence import Evidence, percentile
from tenure.demo.stage import Stage


def figures(stage: Stage, found: Evidence, checked: Sequence[Check]) -> Mapping[str, Any]:
    """Return what `tenure demo --json` prints."""
    risks = found.books.risks
    by_channel = found.latencies_ms
    return {
        "ok": all(check.ok for check in checked),
        "events_published": found.published,
        "events_counted": found.books.counted,
        "duplicates_sent": found.duplicates,
        "rejected": len(found.books.rejections),
        "dead_letters": found.books.dead_letters,
        "events_validated": found.log.validated,
        "risks_opened": len(risks),
        "risks_recovered": sum(risk.status == "recovered" for risk in risks),
        "alerts": [asdict(alert) for alert in found.alerts],
        "event_to_alert_ms": _spread(by_channel["inbox"]),
        "event_to_email_ms": _spread(by_channel["email"]),
        "event_to_webhook_ms": _spread(by_channel["webhook"]),
        "cold_start_s": _since(stage, stage.ready_at),
        "first_alert_s": _first_alert(stage, found),
        "checks": [check.as_dict() for check in checked],
    }


def _spread(values: Sequence[float]) -> Mapping[str, float]:
    return {
        "p50": round(percentile(values, 0.5), 1),
        "p99": round(percentile(values, 0.99), 1),
        "max": round(percentile(values, 1.0), 1),
    }


def _first_alert(stage: Stage, found: Evidence) -> float | None:
    arrived = [told.inbox_at for told in found.books.alerts if told.inbox_at]
    return _since(stage, min(arrived)) if arrived else None


def _since(stage: Stage, moment: datetime) -> float:
    return round((moment - stage.started_at).total_seconds(), 2)
