"""What Kafka says about a run: every record of every topic, read from the beginning."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat

from shared.bus.batches import Record
from shared.bus.tail import tail
from shared.bus.topics import USAGE_TOPIC
from shared.contracts.registry import PUBLISHERS, topic_of
from tenure.demo.stage import Stage

_TOPICS = (USAGE_TOPIC, *(topic_of(publisher) for publisher in PUBLISHERS))
_FORMAT = JSONFormat()


@dataclass(slots=True)
class Log:
    """Everything that Kafka knows about a run.

    ``usage`` counts how often each usage event, by (source, id), is on the topic; ``facts`` how
    often each domain event is, by type and id. ``invalid``: what the CloudEvents SDK refused.
    """

    usage: Counter[tuple[str, str]] = field(default_factory=Counter)
    facts: dict[str, Counter[str]] = field(default_factory=dict)
    poison: int = 0
    validated: int = 0
    invalid: list[str] = field(default_factory=list)

    def distinct(self, fact: str) -> int:
        """Return how many different facts of a type there are, by the last part of the type."""
        return sum(len(ids) for name, ids in self.facts.items() if f".{fact}." in name)


async def read_log(stage: Stage) -> Log:
    """Read the topics as they are now."""
    log = Log()
    accounts = set(stage.account_ids)
    sources = {stage.source(name) for name in ("segment", "rudder", "kafka", "history")}
    async for record in tail(stage.bootstrap, _TOPICS, from_beginning=True, follow=False):
        events = _events(record)
        if events is None:
            log.poison += (record.key or b"").decode("utf-8", "replace") in accounts
            continue
        _note(log, record, (e for e in events if _is_ours(e, accounts, sources)))
    return log


def _events(record: Record) -> list[Mapping[str, Any]] | None:
    try:
        body = msgspec.json.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return body if isinstance(body, list) else [body]


def _is_ours(event: Mapping[str, Any], accounts: set[str], sources: set[str]) -> bool:
    return event.get("subject") in accounts or event.get("source") in sources


def _note(log: Log, record: Record, events: Iterable[Mapping[str, Any]]) -> None:
    for event in events:
        _validate(log, record, event)
        if record.topic == USAGE_TOPIC:
            log.usage[event["source"], event["id"]] += 1
        else:
            log.facts.setdefault(event["type"], Counter())[event["id"]] += 1


def _validate(log: Log, record: Record, event: Mapping[str, Any]) -> None:
    log.validated += 1
    try:
        _FORMAT.read(None, msgspec.json.encode(event))
    except (BaseCloudEventException, ValueError, TypeError) as error:
        log.invalid.append(f"{record.topic}/{record.partition}@{record.offset}: {error}")
