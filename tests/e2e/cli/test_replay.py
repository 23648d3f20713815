"""`tenure replay`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.bus.producer import Message
from shared.bus.topics import USAGE_TOPIC
from tests.e2e.cli.commands import NOWHERE, Run
from tests.product import Product, an_account, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


def history(account: str, rows: int = 40) -> list[dict[str, Any]]:
    """Return usage of the last weeks: more events than rows, as one stands for three."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
    made = [
        {
            "account_id": account,
            "event": "report.exported",
            "timestamp": (start + timedelta(hours=number)).isoformat(),
            "user_id": f"u{number % 3}",
        }
        for number in range(rows)
    ]
    return [{**made[0], "count": 3}, *made[1:]]


def counted(product: Product, account: str) -> int:
    sql = "SELECT coalesce(sum(n), 0) FROM usage_daily WHERE account_id = :account"
    return int(product.fetch_value("health", sql, account=account))


def wait_until_counted(product: Product, account: str, count: int) -> None:
    eventually(lambda: counted(product, account) == count, what=f"{count} events are counted")


def write_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    names = ["account_id", "event", "timestamp", "user_id", "count"]
    lines = [",".join(names), *(",".join(str(row.get(n, "")) for n in names) for row in rows)]
    file.write_text("\n".join(lines) + "\n")


def write_ndjson(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(file: Path, rows: list[dict[str, Any]]) -> None:
    whole = [
        {"count": 1, **row, "timestamp": datetime.fromisoformat(row["timestamp"])} for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(whole), file)


@pytest.mark.parametrize(
    ("name", "write"), [("history.csv", write_csv), ("history.parquet", write_parquet)]
)
def test_a_file_replayed_twice_counts_once_and_opens_no_alerts(
    tenure: Run,
    product: Product,
    tmp_path: Path,
    name: str,
    write: Callable[[Path, list[dict[str, Any]]], None],
) -> None:
    account = an_account("replay")
    write(tmp_path / name, history(account))
    replay = ("replay", str(tmp_path / name), "--broker", product.stack.bootstrap, "--json")
    said = tenure(*replay)
    assert said.code == 0, said.err
    assert (said.document["rows"], said.document["sent"]) == (40, 42)
    wait_until_counted(product, account, 42)
    restarted = tenure(*replay, "--restart")
    assert (restarted.document["skipped"], restarted.document["sent"]) == (0, 42)
    # This one comes after them in the same partition: when it is counted, they were looked at.
    last = {"specversion": "1.0", "id": "last", "source": account, "type": "x", "subject": account}
    product.publish(Message(USAGE_TOPIC, account.encode(), json.dumps(last).encode()))
    wait_until_counted(product, account, 43)
    risks = product.client("health").get(f"/api/v1/risks?account_id={account}")
    assert risks.json()["data"] == []


def test_the_same_rows_in_two_files_count_twice_and_a_row_may_stand_for_many(
    tenure: Run, product: Product, tmp_path: Path
) -> None:
    account = an_account("months")
    rows = history(account, rows=3)
    rows[1]["count"] = 12_000
    for name in ("january.csv", "february.csv"):
        write_csv(tmp_path / name, rows)
        where = ("--broker", product.stack.bootstrap, "--json")
        said = tenure("replay", str(tmp_path / name), *where)
        assert (said.document["rows"], said.document["sent"]) == (3, 12_004)
    wait_until_counted(product, account, 24_008)


def test_rows_that_cannot_be_read_are_written_beside_the_file_and_it_exits_with_1(
    tenure: Run, product: Product, tmp_path: Path
) -> None:
    account = an_account("reject")
    good = history(account, rows=3)
    bad: list[Any] = [
        {**good[0], "account_id": ""},
        {**good[0], "account_id": "no spaces"},
        {**good[0], "event": 7},
        {**good[0], "timestamp": "yesterday"},
        {**good[0], "count": -1},
        {**good[0], "count": "many"},
        ["not", "an", "object"],
    ]
    file = tmp_path / "history.ndjson"
    write_ndjson(file, [good[0], *bad, *good[1:]])
    said = tenure("replay", str(file), "--broker", product.stack.bootstrap, "--json")
    assert said.code == 1
    assert (said.document["sent"], said.document["rejected"]) == (5, 7)
    assert str(file) + ".rejected.ndjson" in said.err
    lines = Path(f"{file}.rejected.ndjson").read_text().splitlines()
    rejected = [json.loads(line) for line in lines]
    assert [each["row"] for each in rejected] == [2, 3, 4, 5, 6, 7, 8]
    assert all(each["error"] for each in rejected)
    assert "'yesterday' is not like 2026-01-31T12:00:00Z" in rejected[3]["error"]
    wait_until_counted(product, account, 5)


def test_a_replay_goes_on_where_it_was_cut_off(
    tenure: Run, tenure_here: Run, product: Product, tmp_path: Path
) -> None:
    account = an_account("resume")
    file = tmp_path / "history.ndjson"
    write_ndjson(file, history(account))
    where = ("--broker", product.stack.bootstrap, "--json")
    cut_off = tenure_here("replay", str(file), "--broker", NOWHERE)
    assert (cut_off.code, cut_off.out) == (1, "")
    assert "run the same command to go on" in cut_off.err
    # As a run leaves it that was ended after 25 rows had been acknowledged.
    tenure("replay", str(file), *where)
    progress = tmp_path / ".history.ndjson.replay.json"
    kept = json.loads(progress.read_text())
    progress.write_text(json.dumps({**kept, "rows": 25}))
    said = tenure("replay", str(file), *where)
    assert (said.code, said.document["skipped"], said.document["sent"]) == (0, 25, 15)
    wait_until_counted(product, account, 42)
