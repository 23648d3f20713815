"""Sending a file: in order, acknowledged, and from where it stopped when it is run again."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from shared.bus.producer import Message, Producer
from shared.bus.topics import USAGE_TOPIC
from shared.kernel.ids import is_account_id
from tenure.replaying.files import Row, Rows

_AT_ONCE = 5_000
_EVENTS_PER_RECORD = 500
_MOST_PER_ROW = 100_000
_HEADERS = (("content-type", b"application/cloudevents-batch+json"),)


class RowError(ValueError):
    """A row cannot become an event; the message says what to change."""


@dataclass(slots=True)
class Outcome:
    """What a replay did: rows read, events sent, rows rejected, rows sent by an earlier run."""

    rows: int = 0
    sent: int = 0
    rejected: int = 0
    skipped: int = 0
    rejected_file: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Replay:
    """A file to send under a source."""

    file: Path
    source: str
    progress_file: Path = field(init=False)

    def __post_init__(self) -> None:
        name = f".{self.file.name}.replay.json"
        object.__setattr__(self, "progress_file", self.file.with_name(name))

    async def run(
        self, producer: Producer, rows: Rows, done: Callable[[int], None], *, restart: bool
    ) -> Outcome:
        """Send what was not sent yet. Raises `RateLimited` or `Unavailable`; run it again then."""
        outcome = Outcome(skipped=0 if restart else self._sent_before())
        outcome.rejected_file = str(self.file) + ".rejected.ndjson"
        numbered = enumerate(rows.read())
        for _ in islice(numbered, outcome.skipped):
            pass
        at = outcome.skipped
        while chunk := list(islice(numbered, _AT_ONCE)):
            await self._send(producer, chunk, outcome)
            at += len(chunk)
            self._remember(at)
            done(at)
        return outcome

    async def _send(
        self, producer: Producer, chunk: list[tuple[int, Row]], outcome: Outcome
    ) -> None:
        by_account: dict[str, list[bytes]] = {}
        for number, row in chunk:
            outcome.rows += 1
            try:
                for event in _events(row, number, self.source):
                    encoded = msgspec.json.encode(event)
                    by_account.setdefault(event["subject"], []).append(encoded)
                    outcome.sent += 1
            except RowError as error:
                outcome.rejected += 1
                _reject(Path(outcome.rejected_file), number, row, error)
        for answer in await producer.send_all(list(_messages(by_account))):
            if answer is not None:
                raise answer

    def _sent_before(self) -> int:
        """Return how many rows an earlier run of the same file had acknowledged."""
        try:
            kept = msgspec.json.decode(self.progress_file.read_bytes())
            return int(kept["rows"]) if kept["file"] == self._fingerprint() else 0
        except (OSError, msgspec.DecodeError, KeyError, TypeError):
            return 0

    def _remember(self, rows: int) -> None:
        kept = {"file": self._fingerprint(), "rows": rows}
        partial = self.progress_file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(kept))
        partial.replace(self.progress_file)

    def _fingerprint(self) -> str:
        found = self.file.stat()
        return f"{self.source}:{found.st_size}:{found.st_mtime_ns}"


def _events(row: Row, number: int, source: str) -> Iterator[dict[str, Any]]:
    """Return the events of a row: one, or ``count`` of them, each with an id of its own."""
    if "_unreadable" in row:
        raise RowError("the line is not a JSON object")
    account_id = row.get("account_id")
    if not is_account_id(account_id):
        raise RowError(f"account_id {account_id!r} is missing or cannot be an account id")
    name = row.get("event")
    if not isinstance(name, str) or not name.strip():
        raise RowError("event is missing")
    event = {
        "specversion": "1.0",
        "source": source,
        "type": name,
        "subject": account_id,
        "time": _time(row.get("timestamp")).isoformat(),
        "backfill": True,
        "data": {"user_id": str(row["user_id"]) if row.get("user_id") is not None else None},
    }
    base = str(row["id"]) if row.get("id") else _derived_id(row, number)
    count = _count(row.get("count", 1))
    for n in range(count):
        yield {**event, "id": base if count == 1 else f"{base}/{n}"}


def _derived_id(row: Row, number: int) -> str:
    """Return an id for a row without one: the same file replayed again counts once."""
    text = msgspec.json.encode({"n": number, **{k: str(v) for k, v in sorted(row.items())}})
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(12), tzinfo=UTC)
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise RowError(f"timestamp {value!r} is not like 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _count(value: object) -> int:
    try:
        count = int(str(value))
    except ValueError:
        raise RowError(f"count {value!r} is not a whole number") from None
    if not 0 <= count <= _MOST_PER_ROW:
        raise RowError(f"count {count} is not between 0 and {_MOST_PER_ROW}")
    return count


def _messages(by_account: Mapping[str, list[bytes]]) -> Iterator[Message]:
    for account_id, events in sorted(by_account.items()):
        for start in range(0, len(events), _EVENTS_PER_RECORD):
            value = b"[" + b",".join(events[start : start + _EVENTS_PER_RECORD]) + b"]"
            yield Message(USAGE_TOPIC, account_id.encode(), value, _HEADERS)


def _reject(path: Path, number: int, row: Row, error: RowError) -> None:
    note = {"row": number + 1, "error": str(error), "data": {k: str(v) for k, v in row.items()}}
    with path.open("ab") as file:
        file.write(msgspec.json.encode(note) + b"\n")
