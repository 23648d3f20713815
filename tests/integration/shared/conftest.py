"""What the tests of the spine share: topics, a wire, consumers and relays."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio

from shared.bus.client import Subscription
from shared.bus.consumer import Consumer, Record
from shared.bus.dispatcher import Dispatcher
from shared.bus.listeners import Listener, on
from shared.bus.producer import Message, Producer
from shared.bus.relay import Relay
from shared.bus.retry import Backoff
from shared.bus.tail import tail
from shared.bus.topics import Cluster, Topic, apply_topics, delete_topics, read_topics
from shared.contracts.event import Event, Fact, headers_of
from shared.contracts.onboarding import AccountChanged
from shared.db.transaction import Database, Transaction
from shared.observability.logging import configure_logging
from tests.conftest import OpenDatabase
from tests.stacks import Stack

PARTITIONS = 3
HEARD = """
CREATE TABLE heard (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text NOT NULL,
    name        text NOT NULL
)
"""

Hearing = Callable[[Transaction, AccountChanged], Awaitable[None]]


async def eventually(
    check: Callable[[], Awaitable[bool]], *, within: float = 15.0, what: str = ""
) -> None:
    """Wait until something is true. Fails, saying what never was, when it is not in time."""
    deadline = asyncio.get_running_loop().time() + within
    while not await check():
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail(f"not within {within:g} s: {what or check.__name__}")
        await asyncio.sleep(0.02)


def an_account() -> str:
    """Return the id of an account that no other test knows."""
    return f"acct-{uuid4().hex[:12]}"


def changed(account_id: str, name: str = "Acme") -> AccountChanged:
    return AccountChanged(account_id=account_id, name=name, segment="smb", time_zone="UTC")


def event_of(fact: Fact) -> Event:
    return Event.of(fact, time=datetime(2026, 3, 2, 12, tzinfo=UTC), cause=None, traceparent=None)


@dataclass
class Wire:
    """A producer and a reader of the broker's topics."""

    bootstrap: str
    producer: Producer

    async def say(self, topic: str, *events: Event) -> None:
        """Put events on a topic, one after the other."""
        for event in events:
            headers = headers_of(event.id, event.type, event.traceparent)
            await self.put(topic, event.to_json(), key=event.subject, headers=headers)

    async def put(
        self,
        topic: str,
        value: bytes,
        *,
        key: str = "k",
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Put raw bytes on a topic."""
        await self.producer.send(Message(topic, key.encode(), value, headers))

    async def read(self, topic: str, key: str | None = None) -> list[Record]:
        """Return everything on a topic, of one key if it is named, in the order of its log."""
        found = tail(self.bootstrap, [topic], from_beginning=True, follow=False)
        return [record async for record in found if key in (None, (record.key or b"").decode())]


@dataclass
class Ear:
    """A listener that writes down what it hears, and can be told to fail."""

    failures: list[Exception] = field(default_factory=list)
    calls: int = 0

    async def hear(self, tx: Transaction, fact: AccountChanged) -> None:
        self.calls += 1
        await tx.execute(
            "INSERT INTO heard (account_id, name) VALUES (:account, :name)",
            account=fact.account_id,
            name=fact.name,
        )
        if self.failures:
            raise self.failures.pop(0)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return (on(AccountChanged, self.hear),)


class Hall:
    """Opens consumers of one topic, each with a group and a database, and ends them."""

    def __init__(self, database: Database, topic: str, stack: Stack) -> None:
        self.database = database
        self.topic = topic
        self.group = f"test.{uuid4().hex[:12]}"
        self._stack = stack
        # The embedded broker takes 6 s to seat a member that has a name, and 2 s for others.
        self._has_names = stack.session_seconds >= 6

    @asynccontextmanager
    async def listening(
        self, ear: Ear, *, member: str = "one", backoff: Backoff | None = None
    ) -> AsyncIterator[Consumer]:
        """Consume until the block ends; entered once it has partitions."""
        cluster = Cluster(self._stack.bootstrap)
        consumer = self.consumer(ear, cluster, member=member, backoff=backoff)
        async with running(consumer.run):
            await eventually(_is_assigned(consumer), within=30, what="partitions assigned")
            yield consumer
        await cluster.close()

    def consumer(
        self, ear: Ear, cluster: Cluster, *, member: str = "one", backoff: Backoff | None = None
    ) -> Consumer:
        """Return a consumer that does not run."""
        return Consumer(
            Subscription(
                self.group,
                [self.topic],
                member if self._has_names else None,
                session_seconds=self._stack.session_seconds,
            ),
            Dispatcher(self.database, ear.listeners, backoff=backoff or Backoff(first=0.01)),
            bootstrap=self._stack.bootstrap,
            database=self.database,
            cluster=cluster,
        )

    async def heard(self) -> list[str]:
        """Return the names that were heard, in order."""
        async with self.database.transaction() as tx:
            rows = await tx.fetch_all("SELECT name FROM heard ORDER BY seq")
        return [row["name"] for row in rows]

    async def wait_for(self, *names: str, within: float = 15.0) -> None:
        """Wait until exactly these names were heard, in any order."""

        async def all_heard() -> bool:
            return sorted(await self.heard()) == sorted(names)

        await eventually(all_heard, within=within, what=f"{names} heard")

    async def positions(self) -> dict[int, int]:
        """Return the stored position of each partition."""
        async with self.database.transaction() as tx:
            rows = await tx.fetch_all(
                "SELECT partition, next_offset FROM positions WHERE consumer_group = :group",
                group=self.group,
            )
        return {row["partition"]: row["next_offset"] for row in rows}

    async def wait_for_positions(self, total: int) -> None:
        """Wait until so many records, of all partitions together, lie behind the positions."""

        async def passed() -> bool:
            return sum((await self.positions()).values()) == total

        await eventually(passed, what=f"positions add up to {total}")

    async def dead_letters(self) -> list[dict[str, object]]:
        """Return the dead letters, oldest first."""
        async with self.database.transaction() as tx:
            return [
                dict(row) for row in await tx.fetch_all("SELECT * FROM dead_letters ORDER BY id")
            ]


def _is_assigned(consumer: Consumer) -> Callable[[], Awaitable[bool]]:
    async def is_assigned() -> bool:
        return consumer.is_assigned

    return is_assigned


@asynccontextmanager
async def running(work: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    """Let a worker run until the block ends; what ends it early fails the test."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(work(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


def payload(record: Record) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(record.value or b"")
    return found


@pytest.fixture(scope="package", autouse=True)
def _plain_logs() -> None:
    # structlog's own default draws every stack with its local variables: seconds, each time.
    configure_logging("tests")


@pytest.fixture(scope="session")
def _topics(stack: Stack) -> None:
    asyncio.run(apply_topics(stack.bootstrap, read_topics()))


@pytest_asyncio.fixture
async def wire(stack: Stack, _topics: None) -> AsyncIterator[Wire]:
    producer = Producer(stack.bootstrap)
    yield Wire(stack.bootstrap, producer)
    await producer.stop()


@pytest_asyncio.fixture
async def topic(stack: Stack) -> AsyncIterator[str]:
    """A topic, with its dead letters, that only this test uses."""
    name = f"test.{uuid4().hex[:12]}"
    topics = [Topic(name, PARTITIONS, -1), Topic(f"{name}.dlq", 1, -1)]
    await apply_topics(stack.bootstrap, topics)
    yield name
    await delete_topics(stack.bootstrap, [each.name for each in topics])


@pytest_asyncio.fixture
async def database(open_database: OpenDatabase) -> Database:
    """The database of a service, with a table for what is heard."""
    opened = await open_database("renewals")
    async with opened.transaction() as tx:
        await tx.execute(HEARD)
    return opened


@pytest.fixture
def hall(database: Database, topic: str, stack: Stack) -> Hall:
    return Hall(database, topic, stack)


@pytest_asyncio.fixture
async def relaying(
    stack: Stack, _topics: None
) -> AsyncIterator[Callable[..., Awaitable[Callable[[], Awaitable[None]]]]]:
    """Starts the relay of a database; returns what stops it. All stop with the test."""
    async with AsyncExitStack() as exits:

        async def start(
            database: Database, producer: Producer | None = None
        ) -> Callable[[], Awaitable[None]]:
            mine = await exits.enter_async_context(AsyncExitStack())
            used, cluster = producer or Producer(stack.bootstrap), Cluster(stack.bootstrap)
            mine.push_async_callback(cluster.close)
            mine.push_async_callback(used.stop)
            await mine.enter_async_context(running(Relay(database, used, cluster).run))
            return mine.aclose

        yield start


@pytest.fixture
def accounts() -> Iterator[str]:
    """Ids of accounts that no other test knows."""
    return iter(an_account, "")
