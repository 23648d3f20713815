# ruff: noqa: INP001 - a script of the documentation, part of no package
"""Turn the files of the simulated social network into the files of `tenure health backtest`.

Usage: python docs/examples/socialnet/convert.py FOLDER TARGET

FOLDER holds socialnet7_daily.parquet, socialnet7_subscriptions.csv and socialnet7_accounts.csv, as
made with fightchurn 1.2.0 (MIT). Every month a subscription ends is a renewal: lost when no other
begins on that day. Months that end after the last day on which a subscription begins are open.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

NAMES = ["post", "newfriend", "like", "adview", "dislike", "unfriend", "message", "reply"]


def convert(source: Path, target: Path) -> tuple[int, int]:
    """Write usage.parquet and outcomes.csv; return how many rows each has."""
    target.mkdir(parents=True, exist_ok=True)
    return _usage(source, target), _outcomes(source, target)


def _usage(source: Path, target: Path) -> int:
    daily = pq.read_table(source / "socialnet7_daily.parquet")
    events = pa.array(NAMES).take(daily["event_type"].combine_chunks())
    usage = pa.table(
        {
            "account_id": pc.cast(daily["account_id"], pa.string()),
            "day": pc.cast(daily["day"], pa.date32()),
            "event": events,
            "count": daily["n"],
        }
    )
    pq.write_table(usage, target / "usage.parquet")
    return usage.num_rows


def _outcomes(source: Path, target: Path) -> int:
    with (source / "socialnet7_accounts.csv").open() as file:
        channel = {row["account_id"]: row["channel"] for row in csv.DictReader(file)}
    terms = defaultdict(list)
    with (source / "socialnet7_subscriptions.csv").open() as file:
        for row in csv.DictReader(file):
            terms[row["account_id"]].append(row)
    last_start = max(term["start_date"] for each in terms.values() for term in each)
    rows = 0
    with (target / "outcomes.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            ["account_id", "renewal_date", "lost", "mrr_minor", "currency", "segment", "starts_on"]
        )
        for account, each in sorted(terms.items(), key=lambda item: int(item[0])):
            starts = {term["start_date"] for term in each}
            for term in each:
                if term["end_date"] < last_start:
                    lost = int(term["end_date"] not in starts)
                    mrr = round(float(term["mrr"]) * 100)
                    out.writerow(
                        [
                            account,
                            term["end_date"],
                            lost,
                            mrr,
                            "USD",
                            channel[account],
                            term["start_date"],
                        ]
                    )
                    rows += 1
    return rows


if __name__ == "__main__":
    usage_rows, outcome_rows = convert(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(f"{usage_rows} rows of usage, {outcome_rows} renewals\n")
