"""Files of rows: CSV, NDJSON and Parquet, read row by row."""

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import msgspec

from shared.kernel.errors import Invalid

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Row = Mapping[str, Any]

UNREADABLE_LINE = "_unreadable"

_BATCH = 10_000
_LONGEST_CELL = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class UnreadableFile(Invalid):
    """The file cannot be replayed."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table are read: those it must have, and those it may have; None: any."""

    required: Sequence[str] = ()
    optional: Sequence[str] | None = None

    def check(self, path: Path, names: Sequence[str]) -> None:
        """Raise `UnreadableFile` when one is missing."""
        missing = [name for name in self.required if name not in names]
        if missing:
            found = ", ".join(filter(None, names)) or "none"
            raise UnreadableFile(f"{path.name} has no column {', '.join(missing)}; it has: {found}")

    def split(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return which of some names are read, and which are left out."""
        wanted = set(names if self.optional is None else (*self.required, *self.optional))
        named = [name for name in names if name]
        return [n for n in named if n in wanted], [n for n in named if n not in wanted]


_ANY = Columns()


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file, in order. A line that is no row is ``{UNREADABLE_LINE: line}``.

    ``left_out`` are columns that are not read.
    """

    total: int
    read: Callable[[], Iterator[Row]]
    left_out: Sequence[str] = ()


def read_rows(path: Path, columns: Columns = _ANY) -> Rows:
    """Open a file by its ending. Raises `UnreadableFile`, also when its rows are read."""
    if not path.is_file():
        raise UnreadableFile(f"there is no file {path}")
    opened = _KINDS.get(_ending(path))
    if opened is None:
        endings = ", ".join(sorted(_KINDS))
        raise UnreadableFile(f"{path.name}: end it in one of {endings}; text may be packed (.gz)")
    return opened(path, columns)


def _ending(path: Path) -> str:
    """Return what says how a file is read, without the ending of a packed one."""
    *_, kind, packed = ("", "", *(suffix.lower() for suffix in path.suffixes))
    is_packed_text = packed == ".gz" and kind != ".parquet"
    return kind if is_packed_text else packed


def _open(path: Path) -> IO[bytes]:
    file: IO[bytes] = path.open("rb")
    return cast("IO[bytes]", gzip.open(file)) if path.suffix.lower() == ".gz" else file


def _csv(path: Path, columns: Columns) -> Rows:
    csv.field_size_limit(_LONGEST_CELL)
    names = next(_cells(path), [])
    columns.check(path, names)
    wanted, left_out = columns.split(names)

    def read() -> Iterator[Row]:
        for cells in _cells(path, after=1):
            if len(cells) > len(names):
                yield {UNREADABLE_LINE: ",".join(cells)}
            else:
                row = dict(zip(names, cells, strict=False))
                yield {name: row[name] for name in wanted if row.get(name)}

    return Rows(sum(1 for _ in _cells(path, after=1)), read, left_out)


def _cells(path: Path, *, after: int = 0) -> Iterator[list[str]]:
    """Yield the cells of each line that has any. Raises `UnreadableFile`."""
    line = 0
    try:
        with _open(path) as packed:
            encoding = "utf-16" if packed.read(2) in _UTF_16 else "utf-8-sig"
            packed.seek(0)
            text = TextIOWrapper(packed, encoding=encoding, newline="")
            for line, cells in enumerate(csv.reader(text), 1):
                if line > after and cells:
                    yield cells
    except UnicodeDecodeError as error:
        bad = f"byte {error.object[error.start]:#04x} after line {line}"
        raise UnreadableFile(f"{path.name} is not in UTF-8 ({bad}); save it as UTF-8") from None
    except (csv.Error, OSError, EOFError) as error:
        raise UnreadableFile(f"{path.name}, line {line + 1}: {error}") from None


def _ndjson(path: Path, _columns: Columns) -> Rows:
    def read() -> Iterator[Row]:
        for line in _lines(path):
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                row = None
            is_row = isinstance(row, dict)
            yield row if is_row else {UNREADABLE_LINE: line.decode("utf-8", "replace")}

    return Rows(sum(1 for _ in _lines(path)), read)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with _open(path) as file:
            for number, line in enumerate(file):
                text = line if number else line.removeprefix(_BOM)
                if not number and text[:2] in _UTF_16:
                    raise UnreadableFile(f"{path.name} is in UTF-16; save it as UTF-8")
                if text.strip():
                    yield text
    except (OSError, EOFError) as error:
        raise UnreadableFile(f"{path.name}: {error}") from None


def _parquet(path: Path, columns: Columns) -> Rows:
    file = open_parquet(path)
    names = file.schema_arrow.names
    columns.check(path, names)
    wanted, left_out = columns.split(names)

    def read() -> Iterator[Row]:
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                yield from _in_microseconds(batch).to_pylist()
        except (OSError, ValueError) as error:
            raise UnreadableFile(f"{path.name}: {error}") from None

    return Rows(file.metadata.num_rows, read, left_out)


def open_parquet(path: Path) -> "pq.ParquetFile":
    """Open a Parquet file. Raises `UnreadableFile`."""
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415 - only the extra `local` brings it
    except ImportError:
        raise UnreadableFile("Parquet needs pyarrow: pip install 'tenure[local]'") from None
    try:
        return pq.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path.name}: {error}") from None


def _in_microseconds(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Cut nanoseconds off, which Python's times do not have and pandas writes."""
    import pyarrow as pa  # noqa: PLC0415 - only the extra `local` brings it

    fields = [
        field.with_type(pa.timestamp("us", field.type.tz))
        if pa.types.is_timestamp(field.type)
        else field
        for field in batch.schema
    ]
    return pa.Table.from_batches([batch]).cast(pa.schema(fields), safe=False).to_batches()[0]


_KINDS = {".csv": _csv, ".ndjson": _ndjson, ".jsonl": _ndjson, ".parquet": _parquet}
