"""Kafka clients, and whether they still do their work.

A cancellation that goes astray in a client when a node dies ends the tasks that read, send or look
for nodes, and nothing says so: it answers that there is nothing to read, or never answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

_LONGEST_WAIT = 50.0
"""Shorter than the watchdog waits, and longer than a dead member is waited for."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which topics a group reads, as which member, and how much at a time.

    A member with an ``instance_id`` keeps its partitions over a restart that is shorter than the
    session; one without leaves them to the others at once.
    """

    group: str
    topics: Sequence[str]
    instance_id: str | None
    max_records: int = 500
    fetch_bytes: int = 1024 * 1024
    session_seconds: float = 45.0

    @property
    def request_seconds(self) -> float:
        """How long an answer is waited for.

        Longer than a dead member is waited for, and under the watchdog's limit: a broker that
        never answers (the embedded one, when a group's leader dies) is asked again.
        """
        return self.session_seconds + 5

    @property
    def patience_seconds(self) -> float:
        """How long a client may say nothing, not even that there is nothing, before it is left."""
        return min(_LONGEST_WAIT, 2 * self.request_seconds)


def client_of(subscription: Subscription, bootstrap: str) -> AIOKafkaConsumer:
    """Return a client that is not started."""
    session = subscription.session_seconds
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=subscription.group,
        group_instance_id=subscription.instance_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=int(session * 1000),
        heartbeat_interval_ms=int(min(3.0, session / 6) * 1000),
        max_poll_interval_ms=300_000,
        request_timeout_ms=int(subscription.request_seconds * 1000),
        retry_backoff_ms=100,
        metadata_max_age_ms=10_000,
        # What a producer takes back never happened.
        isolation_level="read_committed",
        fetch_max_wait_ms=250,
        fetch_max_bytes=8 * 1024 * 1024,
        max_partition_fetch_bytes=subscription.fetch_bytes,
    )


def reads(client: AIOKafkaConsumer) -> bool:
    """Tell whether a started consumer still reads."""
    reading, looking = client._fetcher.error_future, client._client._sync_task  # noqa: SLF001 - no other sign
    return not (reading.done() or looking.done())


def sends(client: AIOKafkaProducer) -> bool:
    """Tell whether a started producer still sends."""
    sending, looking = client._sender.sender_task, client.client._sync_task  # noqa: SLF001 - no other sign
    return not (sending.done() or looking.done())
