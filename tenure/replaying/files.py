"""Files of past usage: CSV, NDJSON and Parquet, read row by row."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from shared.kernel.errors import Invalid

Row = Mapping[str, Any]
_BATCH = 10_000


class UnreadableFile(Invalid):
    """The file cannot be replayed."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file, in order. A line that is no row is ``{"_unreadable": line}``."""

    total: int
    read: Callable[[], Iterator[Row]]


def read_rows(path: Path) -> Rows:
    """Open a file by its ending. Raises `UnreadableFile`."""
    if not path.is_file():
        raise UnreadableFile(f"there is no file {path}")
    kinds = {".csv": _csv, ".ndjson": _ndjson, ".jsonl": _ndjson, ".parquet": _parquet}
    opened = kinds.get(path.suffix.lower())
    if opened is None:
        raise UnreadableFile(f"{path.name}: end it in one of {', '.join(sorted(kinds))}")
    return opened(path)


def _csv(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8-sig") as file:
        total = sum(1 for _ in csv.DictReader(file))

    def read() -> Iterator[Row]:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                yield {name: value for name, value in row.items() if name and value != ""}

    return Rows(total, read)


def _ndjson(path: Path) -> Rows:
    def lines() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())

    def read() -> Iterator[Row]:
        for line in lines():
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                row = None
            yield row if isinstance(row, dict) else {"_unreadable": line.decode("utf-8", "replace")}

    return Rows(sum(1 for _ in lines()), read)


def _parquet(path: Path) -> Rows:
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415 - only the extra `local` brings it
    except ImportError:
        raise UnreadableFile("Parquet needs pyarrow: pip install 'tenure[local]'") from None
    try:
        total = pq.ParquetFile(path).metadata.num_rows
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path.name}: {error}") from None

    def read() -> Iterator[Row]:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH):
            yield from batch.to_pylist()

    return Rows(total, read)
