"""A lasting load of usage, and the highest rate at which health keeps up with one."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from benchmarks.database import Reader
from benchmarks.ground import Ground
from benchmarks.options import Options
from benchmarks.progress import wait_for
from tenure.stack.processes import ManagedProcess

_MOST_GROWTH = 1 / 30
"""The part of a load that may be left when it ends; more, and the lag would go on growing."""
_FIRST, _STEP = 0.4, 1.2
_SETTLED_WITHIN = 120.0
_WARM_UP_RATE, _WARM_UP_SECONDS = 8_000, 15.0


@dataclass
class Load:
    """A load under way, or over: then ``sent`` says what, and ``left_seconds`` what was left."""

    sent: Mapping[str, float] = field(default_factory=dict)
    left_seconds: float = 0.0


@contextmanager
def lasting(
    ground: Ground, reader: Reader, rate: float, seconds: float, prefix: str
) -> Iterator[Load]:
    """Send usage at a rate while the block runs; end when it is sent and has been counted."""
    before = positions(reader)
    command = [sys.executable, "-m", "benchmarks.usage_load", ground.bootstrap]
    load = Load()
    with ground.running("load", [*command, str(rate), str(seconds), prefix]) as process:
        yield load
        load.sent = _result(process, within=seconds + 30)
    over = time.monotonic()
    end = before + int(load.sent["records"])
    done = wait_for(lambda: positions(reader), end, within=_SETTLED_WITHIN, is_alive=lambda: True)
    load.left_seconds = max(0.0, done - over)


def highest_sustained(
    options: Options, ground: Ground, reader: Reader, backlog_rate: float
) -> tuple[float, list[dict[str, float]]]:
    """Return the highest rate at which no lag grew, in events per second, and all trials.

    The accounts are known first, so that what happens once in their life is over. Begins with a
    part of the rate of a short backlog and goes up: what an overload leaves behind, in the log and
    in Postgres, would slow down the trials after it. When not even the first rate lasts, one step
    less is returned, which nobody tried; the trials say so.
    """
    options.say("P2 the accounts of the load begin to use the product")
    with lasting(ground, reader, _WARM_UP_RATE, _WARM_UP_SECONDS, "warm"):
        pass
    seconds = 20.0 if options.quick else 60.0
    rate, sustained, trials = backlog_rate * _FIRST, 0.0, list[dict[str, float]]()
    while rate <= backlog_rate:
        options.say(f"P2 is {rate:,.0f} events/s sustained for {seconds:.0f} s?")
        with lasting(ground, reader, rate, seconds, f"trial{len(trials)}") as load:
            pass
        trials.append({"rate": round(rate), "left_seconds": round(load.left_seconds, 2)})
        if load.left_seconds > seconds * _MOST_GROWTH:
            break
        sustained, rate = rate, rate * _STEP
    return sustained or rate / _STEP, trials


def positions(reader: Reader) -> int:
    """Return how many records of usage health has moved past."""
    sql = "SELECT coalesce(sum(next_offset), 0)::bigint FROM health.positions "
    return int(reader.value(sql + "WHERE consumer_group = 'tenure.health.usage'"))


def _result(process: ManagedProcess, within: float) -> Mapping[str, float]:
    process.wait(within)
    line = process.spec.log.read_bytes().strip().rpartition(b"\n")[2]
    found: Mapping[str, float] = msgspec.json.decode(line)
    return found
