"""Files of a back-test as tables: CSV and TSV, NDJSON and Parquet, by their ending."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.health.domain.backtest.tables import Table, csv_table, mapping_table
from tenure.replaying.files import UNREADABLE_LINE, UnreadableFile, open_parquet, read_rows

_BATCH = 50_000
_TEXT = {".csv", ".tsv"}
_WORKBOOKS = {".xlsx", ".xls", ".ods"}


def open_table(path: Path) -> Table:
    """Open a file as a table; rows are read as they are asked for. Raises `UnreadableFile`."""
    if not path.is_file():
        raise UnreadableFile(f"there is no file {path}")
    kind = path.suffix.lower()
    if kind in _TEXT:
        return csv_table(path.name, _lines(path))
    if kind == ".parquet":
        return _parquet(path)
    if kind in _WORKBOOKS:
        raise UnreadableFile(f"{path.name}: a workbook is not read; save its sheet as CSV (UTF-8)")
    rows = list(read_rows(path).read())
    broken = next((n for n, row in enumerate(rows, start=1) if UNREADABLE_LINE in row), None)
    if broken is not None:
        raise UnreadableFile(f"{path.name}: row {broken}: write one JSON object a line")
    return mapping_table(path.name, rows)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{path.name}: it is not UTF-8 text: {error.reason}") from None


def _parquet(path: Path) -> Table:
    file = open_parquet(path)

    def rows() -> Iterator[Sequence[Any]]:
        for batch in file.iter_batches(batch_size=_BATCH):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    return Table(path.name, file.schema_arrow.names, rows(), file.metadata.num_rows)
