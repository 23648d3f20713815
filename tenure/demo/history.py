"""Ten weeks of history, as a customer would export it, sent with the real `tenure replay`."""

import asyncio
import csv
import os
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tenure.demo.cast import Customer
from tenure.demo.stage import DemoFailedError, Stage
from tenure.demo.usage import Calendar, Use, uses

_COLUMNS = ("account_id", "user_id", "event", "timestamp", "count")
SOURCE = "history"


def write_history(path: Path, cast: tuple[Customer, ...], calendar: Calendar) -> int:
    """Write one row per account, day, user and event; return how many events that are."""
    events = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row in _rows(cast, calendar):
            writer.writerow(row)
            events += row[-1]
    return events


async def replay(stage: Stage, file: Path) -> None:
    """Run `tenure replay` on the file. Raises `DemoFailedError`."""
    arguments = ["replay", str(file), "--source", stage.source(SOURCE), "--broker", stage.bootstrap]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tenure",
        *arguments,
        "--json",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ),
        start_new_session=True,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise DemoFailedError(f"tenure replay failed:\n{said.decode()}")


def _rows(
    cast: tuple[Customer, ...], calendar: Calendar
) -> Iterator[tuple[str, str, str, str, int]]:
    for day in calendar.history:
        for customer in cast:
            done = sorted(uses(customer, day, calendar), key=_who_and_what)
            for (user, event), group in groupby(done, key=_who_and_what):
                same = list(group)
                at = same[0].time.isoformat(timespec="seconds")
                yield customer.account_id, user, event, at, len(same)


def _who_and_what(use: Use) -> tuple[str, str]:
    return use.user_id, use.event
