"""A lasting load of usage, and the highest rate at which health keeps up with one."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import msgspec

from benchmarks.database import Reader
from benchmarks.ground import Ground, open_ground
from benchmarks.options import Options
from benchmarks.progress import wait_for
from tenure.catalog import SERVICES
from tenure.stack.processes import ManagedProcess

_MOST_GROWTH = 1 / 30
"""The part of a load that may be left when it ends; more, and the lag would go on growing."""
_FIRST, _STEP = 0.5, 1.2
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
    options: Options, backlog_rate: float
) -> tuple[float, list[dict[str, float]]]:
    """Return the highest rate at which no lag grew, in events per second, and all trials.

    Begins with a part of the rate of a short backlog and goes up, each time on a ground of its
    own: the embedded broker gets slower the more it holds, and an overload leaves work behind.
    When not even the first rate lasts, one step less is returned, which nobody tried; the trials
    say so.
    """
    seconds = 20.0 if options.quick else 60.0
    rate, sustained, trials = backlog_rate * _FIRST, 0.0, list[dict[str, float]]()
    while rate <= backlog_rate:
        options.say(f"P2 is {rate:,.0f} events/s sustained for {seconds:.0f} s?")
        left = _left_after(options, rate, seconds)
        trials.append({"rate": round(rate), "left_seconds": round(left, 2)})
        if left > seconds * _MOST_GROWTH:
            break
        sustained, rate = rate, rate * _STEP
    return sustained or rate / _STEP, trials


def _left_after(options: Options, rate: float, seconds: float) -> float:
    with all_services(options) as ground, Reader(ground.stack.admin_url) as reader:
        warm_up(ground, reader)
        with lasting(ground, reader, rate, seconds, "trial") as load:
            pass
        return load.left_seconds


def all_services(options: Options) -> AbstractContextManager[Ground]:
    """Return a new ground with every service."""
    return open_ground(options, services=tuple(SERVICES))


def warm_up(ground: Ground, reader: Reader) -> None:
    """Make the accounts of the load known, so that what happens once in their life is over."""
    with lasting(ground, reader, _WARM_UP_RATE, _WARM_UP_SECONDS, "warm"):
        pass


def positions(reader: Reader) -> int:
    """Return how many records of usage health has moved past."""
    sql = "SELECT coalesce(sum(next_offset), 0)::bigint FROM health.positions "
    return int(reader.value(sql + "WHERE consumer_group = 'tenure.health.usage'"))


def _result(process: ManagedProcess, within: float) -> Mapping[str, float]:
    process.wait(within)
    line = process.spec.log.read_bytes().strip().rpartition(b"\n")[2]
    found: Mapping[str, float] = msgspec.json.decode(line)
    return found
