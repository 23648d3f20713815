"""What travels on the wire is a CloudEvent, for us and for everybody else's tools."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from services.health.domain.usage.event import Reception, read_cloudevent
from services.health.domain.usage.members import InvalidEvent
from shared.bus.consumer import Batch, Record
from shared.bus.dispatcher import Dispatcher
from shared.bus.listeners import on
from shared.contracts.event import Event, Fact, headers_of
from shared.contracts.health import RiskOpened
from shared.contracts.registry import FACTS, fact_of
from shared.db import inbox
from shared.db.transaction import Transaction
from shared.observability.metrics import EVENTS_HANDLED
from tenure.docgen.envelope import EXAMPLE_USAGE
from tenure.docgen.facts import example_event
from tests.conftest import NOON, OpenDatabase

GROUP = "tenure.renewals"
every_fact = pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)


@every_fact
def test_a_fact_travels_in_structured_mode_and_arrives_the_same(fact: type[Fact]) -> None:
    sent = example_event(fact)
    headers = dict(headers_of(sent.id, sent.type, sent.traceparent))

    received = Event.from_record(sent.to_json(), {k: v.decode() for k, v in headers.items()})

    assert received == sent
    assert fact_of(received) == fact.model_validate(sent.data)


@every_fact
def test_a_fact_that_the_sdk_sends_in_binary_mode_arrives_the_same(fact: type[Fact]) -> None:
    sent = example_event(fact)
    message = kafka.to_binary_event(_as_cloudevent(sent))

    received = Event.from_record(
        message.value, {name: value.decode() for name, value in message.headers.items()}
    )

    assert received == sent
    assert message.key == sent.subject


@every_fact
def test_the_cloudevents_sdk_accepts_every_record(fact: type[Fact]) -> None:
    said = fact.model_validate(example_event(fact).data)
    sent = Event.of(said, time=datetime.now(UTC), cause=None, traceparent=None)
    message = kafka.KafkaMessage(
        headers=dict(headers_of(sent.id, sent.type, sent.traceparent)),
        key=sent.subject.encode(),
        value=sent.to_json(),
    )

    event = kafka.from_structured_event(message)

    assert isinstance(event, CloudEvent)
    assert (event.get_id(), event.get_type(), event.get_source(), event.get_subject()) == (
        *(sent.id, sent.type, f"/tenure/{fact.publisher()}", sent.subject),
    )
    assert event.get_time() == sent.time
    assert event.get_extension("partitionkey") == sent.subject
    assert event.get_extension("correlationid") == sent.id
    assert event.get_data() == dict(sent.data)
    assert Event.from_record(kafka.to_structured_event(event).value, {}) == sent


def test_the_sdk_would_refuse_an_envelope_that_is_none() -> None:
    broken = example_event(RiskOpened).to_dict() | {"correlation_id": "not a legal name"}

    with pytest.raises(CloudEventValidationError):
        JSONFormat().read(None, msgspec.json.encode(broken))


@every_fact
def test_consumers_ignore_fields_they_do_not_know(fact: type[Fact]) -> None:
    body = example_event(fact).to_dict()
    grown = {**body, "sampledrate": 3, "data": {**body["data"], "added_later": {"deep": [1]}}}

    event = Event.from_record(msgspec.json.encode(grown), {})

    assert fact_of(event) == fact.model_validate(body["data"])


@every_fact
def test_consumers_do_not_know_the_next_major_version_of_a_type(fact: type[Fact]) -> None:
    body = example_event(fact).to_dict()
    newer = {**body, "type": body["type"].removesuffix(".v1") + ".v2"}

    assert fact_of(Event.from_record(msgspec.json.encode(newer), {})) is None


@pytest.mark.stack
async def test_a_consumer_counts_an_unknown_type_and_goes_on(open_database: OpenDatabase) -> None:
    heard: list[str] = []

    async def hear(_tx: Transaction, fact: RiskOpened) -> None:
        heard.append(fact.risk_id)

    known = example_event(RiskOpened).to_dict()
    unknown = {**known, "id": "another", "type": "io.tenure.health.comet_sighted.v1"}
    before = _unknown_events()
    database = await open_database("renewals")
    async with database.transaction() as tx:
        await inbox.start_position(tx, GROUP, "tenure.health", {0: 0}, log_id="test")
    dispatcher = Dispatcher(database, [on(RiskOpened, hear)])

    await dispatcher.handle([_batch([unknown, known])], GROUP)

    assert heard == [known["data"]["risk_id"]]
    assert _unknown_events() == before + 1


def test_the_usage_event_of_the_documents_is_one_that_counts() -> None:
    read = read_cloudevent(EXAMPLE_USAGE, Reception("", NOON))

    assert (read.account_id, read.user_id, read.name) == ("acme", "u-42", "report.exported")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"specversion": "0.3"}, "invalid_specversion"),
        ({"subject": None}, "missing_account"),
        ({"subject": "no spaces"}, "missing_account"),
        ({"id": ""}, "missing_id"),
        ({"source": "s" * 257}, "invalid_source"),
        ({"type": "t" * 201}, "invalid_type"),
        ({"time": "yesterday"}, "invalid_timestamp"),
        ({"data": {"user_id": "u" * 257}}, "invalid_user_id"),
    ],
)
def test_usage_is_rejected_with_the_codes_that_the_documents_name(
    change: dict[str, Any], code: str
) -> None:
    with pytest.raises(InvalidEvent) as refused:
        read_cloudevent(EXAMPLE_USAGE | change, Reception("", NOON))

    assert refused.value.reason == code


def _as_cloudevent(event: Event) -> CloudEvent:
    attributes: dict[str, Any] = {**event.to_dict(), "time": event.time}
    data = attributes.pop("data")
    return CloudEvent(attributes, dict(data))


def _batch(events: list[dict[str, Any]]) -> Batch:
    records: list[Record] = [
        SimpleNamespace(
            topic="tenure.health",
            partition=0,
            offset=offset,
            timestamp=int(NOON.timestamp() * 1000),
            key=b"acme",
            value=msgspec.json.encode(event),
            headers=(),
        )
        for offset, event in enumerate(events)
    ]
    return Batch("tenure.health", 0, 0, records)


def _unknown_events() -> float:
    found = EVENTS_HANDLED.labels("other", "unknown")
    return float(found._value.get())  # noqa: SLF001 - the library has no other way to read one
