"""docs/events.md: every event, for a person."""

import json
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

from shared.bus.topics import Topic, read_topics
from shared.contracts.registry import PUBLISHERS, topic_of
from tenure.docgen.envelope import ENVELOPE, EXAMPLE_USAGE
from tenure.docgen.facts import Entry, Field, entries

_PAGES = Path(__file__).parent / "pages"
_HOUR = 3_600_000


def render() -> str:
    """Return the page."""
    return _paragraphs(
        _page("envelope", fields=_field_table(ENVELOPE)),
        "## Topics",
        _topic_table(),
        "## Who says what, and who hears it",
        event_table("#"),
        *(_publisher(publisher) for publisher in PUBLISHERS),
        _page("usage", example=_json(EXAMPLE_USAGE)),
        _page("reading"),
    )


def event_table(page: str) -> str:
    """Return the table of events, publishers and listeners; ``page`` is where its links lead."""
    rows = [
        f"| [{entry.fact.__name__}]({page}{_anchor(entry)}) | {entry.publisher} "
        f"| {', '.join(entry.listeners) or '—'} |"
        for entry in entries()
    ]
    return "\n".join(["| Event | Said by | Heard by |", "|---|---|---|", *rows]) + "\n"


def _publisher(publisher: str) -> str:
    said = [_section(entry) for entry in entries() if entry.publisher == publisher]
    return _paragraphs(f"## {publisher}: `{topic_of(publisher)}`", *said)


def _section(entry: Entry) -> str:
    return _paragraphs(
        f"### {entry.fact.__name__}",
        f"`{entry.type}`",
        entry.said,
        f"Said by **{entry.publisher}**. {_heard(entry)}",
        _field_table(entry.fields),
        f"```json\n{_json(entry.example)}\n```",
    )


def _heard(entry: Entry) -> str:
    if not entry.heard_by:
        return "No service here listens."
    return "\n".join(
        ["Heard by:\n", *(f"- **{hearing.service}**: {hearing.does}" for hearing in entry.heard_by)]
    )


def _field_table(fields: Iterable[Field]) -> str:
    rows = [
        f"| `{field.name}` | {field.type} | {'yes' if field.is_required else 'no'} "
        f"| {field.meaning} |"
        for field in fields
    ]
    return "\n".join(["| Field | Type | Always there | Meaning |", "|---|---|---|---|", *rows])


def _topic_table() -> str:
    rows = [_topic_row(topic) for topic in sorted(read_topics(), key=lambda topic: topic.name)]
    return "\n".join(["| Topic | Partitions | Kept for |", "|---|---|---|", *rows])


def _topic_row(topic: Topic) -> str:
    days = int(topic.config["retention.ms"]) // (24 * _HOUR)
    return f"| `{topic.name}` | {topic.partitions} | {days} days |"


def _anchor(entry: Entry) -> str:
    return entry.fact.__name__.lower()


def _page(name: str, **values: str) -> str:
    return Template((_PAGES / f"{name}.md").read_text()).substitute(values)


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
