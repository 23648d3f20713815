"""Sending a file: in order, acknowledged, and from where it stopped when it is run again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from services.health.domain.usage.event import Reception
from shared.bus.packing import Packer, Value
from shared.kernel.clock import Clock
from tenure.replaying.files import Row, Rows
from tenure.replaying.rows import Reader, RowError

_EVENTS_AT_ONCE = 5_000
_BYTES_AT_ONCE = 8 * 1024 * 1024


@dataclass(slots=True)
class Outcome:
    """What a replay did: rows read, events sent, rows rejected, rows sent by an earlier run."""

    rows: int = 0
    sent: int = 0
    rejected: int = 0
    skipped: int = 0
    rejected_file: str = ""
    columns_left_out: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Replay:
    """A file to send under a source."""

    file: Path
    source: str
    clock: Clock
    progress_file: Path = field(init=False)

    def __post_init__(self) -> None:
        name = f".{self.file.name}.replay.json"
        object.__setattr__(self, "progress_file", self.file.with_name(name))

    async def run(
        self, packer: Packer, rows: Rows, done: Callable[[int], None], *, restart: bool
    ) -> Outcome:
        """Send what was not sent yet. Raises `RateLimited` or `Unavailable`; run it again then."""
        outcome = self._begin(rows, 0 if restart else self._sent_before())
        numbered = islice(enumerate(rows.read()), outcome.skipped, None)
        waiting = _Waiting()
        for value in self._values(numbered, outcome):
            waiting.add(value)
            if waiting.is_full:
                # Of the row that is being read some events may still be to come.
                await self._send(packer, waiting, outcome, done, unfinished=1)
                waiting = _Waiting()
        await self._send(packer, waiting, outcome, done)
        return outcome

    def _begin(self, rows: Rows, skipped: int) -> Outcome:
        rejected_file = self.file.with_name(f"{self.file.name}.rejected.ndjson")
        if not skipped:
            rejected_file.unlink(missing_ok=True)
        return Outcome(
            skipped=skipped, rejected_file=str(rejected_file), columns_left_out=rows.left_out
        )

    def _values(self, rows: Iterator[tuple[int, Row]], outcome: Outcome) -> Iterator[Value]:
        reader = Reader(self.file.name, Reception(self.source, self.clock.now(), is_history=True))
        for number, row in rows:
            outcome.rows += 1
            try:
                yield from reader.values(row, number)
            except RowError as error:
                outcome.rejected += 1
                _reject(Path(outcome.rejected_file), number, row, error)

    async def _send(
        self,
        packer: Packer,
        waiting: "_Waiting",
        outcome: Outcome,
        done: Callable[[int], None],
        *,
        unfinished: int = 0,
    ) -> None:
        await packer.send(waiting.values)
        outcome.sent += len(waiting.values)
        rows = outcome.skipped + outcome.rows - unfinished
        self._remember(rows)
        done(rows)

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


class _Waiting:
    """Events that are to be sent together: so many that memory stays bounded, whatever a row is."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._bytes = 0

    def add(self, value: Value) -> None:
        self.values.append(value)
        self._bytes += len(value[1])

    @property
    def is_full(self) -> bool:
        return len(self.values) >= _EVENTS_AT_ONCE or self._bytes >= _BYTES_AT_ONCE


def _reject(path: Path, number: int, row: Row, error: RowError) -> None:
    note = {"row": number + 1, "error": str(error), "data": {k: str(v) for k, v in row.items()}}
    with path.open("ab") as file:
        file.write(msgspec.json.encode(note) + b"\n")
