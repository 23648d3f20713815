"""Files as tools write them are read alike, and what cannot be read is named before it is sent."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.replaying.files import UNREADABLE_LINE, UnreadableFile, read_rows
from tenure.replaying.rows import COLUMNS

HEADER = "account_id,event,timestamp,user_id\n"
LINE = "acme,seen,2026-01-31T10:00:00Z,ü1\n"
ROW = {
    "account_id": "acme",
    "event": "seen",
    "timestamp": "2026-01-31T10:00:00Z",
    "user_id": "ü1",
}
OBJECT = (
    '{"account_id": "acme", "event": "seen", "timestamp": "2026-01-31T10:00:00Z", "user_id": "ü1"}'
)


def read(file: Path) -> list[dict[str, Any]]:
    rows = read_rows(file, COLUMNS)
    found = [dict(row) for row in rows.read()]
    assert rows.total == len(found)
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_file_is_read_in_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "history.csv"
    file.write_bytes((HEADER + LINE + "\n" + LINE).encode(encoding))
    assert read(file) == [ROW, ROW]


def test_text_may_be_packed(tmp_path: Path) -> None:
    for name, text in (("a.csv.gz", HEADER + LINE), ("b.ndjson.gz", OBJECT)):
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
        assert read(tmp_path / name) == [ROW]


def test_the_first_line_of_ndjson_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(f"{OBJECT}\n\n[1]\n".encode("utf-8-sig"))
    assert read(file) == [ROW, {UNREADABLE_LINE: "[1]\n"}]


def test_a_cell_may_be_long_and_one_too_many_makes_no_event(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(HEADER + f"acme,seen,2026-01-31,{'x' * 200_000}\n" + "a,b,c,d,e\n")
    long, odd = read(file)
    assert len(long["user_id"]) == 200_000
    assert odd == {UNREADABLE_LINE: "a,b,c,d,e"}


def test_parquet_may_hold_nanoseconds_and_only_known_columns_are_read(tmp_path: Path) -> None:
    file = tmp_path / "history.parquet"
    moment = datetime(2026, 1, 31, 10, tzinfo=UTC)
    at = pa.array([1_000 * int(moment.timestamp() * 1_000_000) + 7], pa.timestamp("ns", "UTC"))
    columns = {"account_id": ["acme"], "event": ["seen"], "timestamp": at, "price": [1.5]}
    pq.write_table(pa.table(columns), file)
    assert read(file) == [{"account_id": "acme", "event": "seen", "timestamp": moment}]
    assert read_rows(file, COLUMNS).left_out == ["price"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", (HEADER + LINE).encode("latin-1"), "not in UTF-8 .byte 0xfc"),
        ("a.csv", b"account,event\n1,2\n", "no column account_id, timestamp; it has: account, ev"),
        ("a.csv", b"", "has no column account_id, event, timestamp; it has: none"),
        ("a.csv.gz", b"no gzip", "a.csv.gz, line 1: "),
        ("a.ndjson", OBJECT.encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        ("a.ndjson.gz", gzip.compress(OBJECT.encode())[:-4], "a.ndjson.gz: "),
        ("a.parquet", b"PAR1 no more", "a.parquet: "),
        ("a.xlsx", b"", "end it in one of .csv, .jsonl, .ndjson, .parquet"),
        ("a.parquet.gz", b"", "end it in one of"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFile, match=words):
        read(tmp_path / name)
