"""What is sent: usage events as the product publishes them, made from a seed.

An event is about 205 bytes of CloudEvents JSON. Some are sent twice, under the same source and
id, and count once. The number that must come out is known before anything is measured.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from shared.bus.producer import Message, Producer
from shared.bus.topics import USAGE_TOPIC

NAMES = ("report.exported", "page.viewed", "document.edited", "search.run")
_USERS = 8
_SPAN_SECONDS = 300
_CHUNK_BYTES = 4 * 1024 * 1024
_HEADERS = (("content-type", b"application/cloudevents-batch+json"),)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a corpus is made of.

    ``packed``: events per record, as HTTP ingest packs them by account; 1 as a Kafka client sends.
    ``spread``: ``uniform`` or ``zipf`` over accounts. ``duplicates``: share of events sent again.
    ``shuffled``: names and users are drawn; if not, they take turns, so that each account has all.
    """

    events: int
    accounts: int = 2_000
    packed: int = 100
    spread: str = "uniform"
    duplicates: float = 0.006
    seed: int = 1
    prefix: str = "bench"
    source: str = "/bench/backend"
    shuffled: bool = True


@dataclass(slots=True)
class Corpus:
    """Records to publish, and what must have been counted when all were consumed."""

    shape: Shape
    records: list[Message] = field(default_factory=list)
    sent: int = 0
    distinct: int = 0
    by_account: Counter[str] = field(default_factory=Counter)

    @property
    def bytes(self) -> int:
        """Bytes of all values."""
        return sum(len(record.value or b"") for record in self.records)


def make_corpus(shape: Shape) -> Corpus:
    """Make events, then send some of them again in a later record of the same account."""
    rng = random.Random(shape.seed)
    corpus = Corpus(shape)
    again: dict[str, list[bytes]] = {}
    counter = 0
    for account in _accounts(shape, rng):
        wanted = min(shape.packed, shape.events - corpus.distinct)
        if wanted <= 0:
            break
        events = [_event(shape, account, counter + n, rng) for n in range(wanted)]
        counter += wanted
        corpus.distinct += wanted
        corpus.by_account[account] += wanted
        repeated = again.setdefault(account, [])
        _append(corpus, account, events)
        repeated += [event for event in events if rng.random() < shape.duplicates]
        if len(repeated) >= shape.packed:
            _append(corpus, account, repeated)
            repeated.clear()
    for account, left in again.items():
        for start in range(0, len(left), shape.packed):
            _append(corpus, account, left[start : start + shape.packed])
    return corpus


async def publish(bootstrap: str, records: Sequence[Message]) -> None:
    """Send all records with the product's own producer. Raises what a record was refused with."""
    producer = Producer(bootstrap)
    try:
        for chunk in _chunks(records):
            for refusal in await producer.send_all(chunk):
                if refusal is not None:
                    raise refusal
    finally:
        await producer.stop()


def publish_all(bootstrap: str, corpus: Corpus) -> None:
    """Send a whole corpus and return when the broker has acknowledged all of it."""
    asyncio.run(publish(bootstrap, corpus.records))


def _append(corpus: Corpus, account: str, events: Sequence[bytes]) -> None:
    packed = corpus.shape.packed > 1
    for value in [b"[" + b",".join(events) + b"]"] if packed else events:
        headers = _HEADERS if packed else ()
        corpus.records.append(Message(USAGE_TOPIC, account.encode(), value, headers))
    corpus.sent += len(events)


def _accounts(shape: Shape, rng: random.Random) -> Iterator[str]:
    """Yield the account of one record after another, for ever."""
    if shape.spread == "zipf":
        weights = list(accumulate(1 / (rank + 1) for rank in range(shape.accounts)))
        while True:
            for number in rng.choices(range(shape.accounts), cum_weights=weights, k=1_000):
                yield f"{shape.prefix}-{number:07}"
    while True:
        for number in rng.sample(range(shape.accounts), shape.accounts):
            yield f"{shape.prefix}-{number:07}"


def _event(shape: Shape, account: str, number: int, rng: random.Random) -> bytes:
    # Well before it is published, so that no clock has to be corrected.
    ago = timedelta(seconds=60 + rng.random() * _SPAN_SECONDS)
    time = (_START - ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = rng.choice(NAMES) if shape.shuffled else NAMES[number % len(NAMES)]
    user = rng.randrange(_USERS) if shape.shuffled else number % (_USERS - 1)
    return (
        f'{{"specversion":"1.0","id":"{shape.prefix}-{shape.seed}-{number:09}",'
        f'"source":"{shape.source}","type":"{name}","subject":"{account}",'
        f'"time":"{time}","data":{{"user_id":"user-{user}",'
        f'"properties":{{"plan":"team","ms":{rng.randrange(1000)}}}}}}}'
    ).encode()


def _chunks(records: Sequence[Message]) -> Iterator[list[Message]]:
    chunk: list[Message] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += record.size
        if size > _CHUNK_BYTES or len(chunk) >= 5_000:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


_START = datetime.now(UTC)
