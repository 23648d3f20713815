"""Draining: a health process that stands still while a log is filled, then works it off."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from benchmarks.checks import Ledger
from benchmarks.consumers import COUNTED, WITHIN, let_go
from benchmarks.database import Reader
from benchmarks.ground import Ground, Served
from benchmarks.progress import TooSlowError, wait_for
from benchmarks.workload import Corpus, Shape, make_corpus, publish_all

_KILL_AT = 0.4
_UNREAD = "tenure_usage_ids_unread "
_POSITION = (
    "SELECT coalesce(sum(next_offset), 0)::bigint FROM health.positions "
    "WHERE consumer_group = 'tenure.health.usage'"
)
_COUNTED = COUNTED.format(schema="health.")
_MINE = _COUNTED + " WHERE account_id >= $1 AND account_id < $1 || '~'"


@dataclass(frozen=True, slots=True)
class Worked:
    """Events per second, what was counted of it, core-microseconds an event."""

    rate: float
    counted: int
    core_us: dict[str, float]


@dataclass
class Drain:
    """A running health process on a database of its own."""

    ground: Ground
    served: Served
    reader: Reader

    def work_off(self, corpus: Corpus) -> Worked:
        """Fill the log while the process is paused, and let it go until it is at the end.

        Positions, not counts, say how far it is: asking costs the same whatever is stored.
        """
        process, begin = self.served.process, self._position()
        before = self._counted(corpus)
        started, meter = let_go(self.ground, corpus, process)
        ended = wait_for(
            self._position,
            begin + len(corpus.records),
            within=WITHIN,
            is_alive=lambda: process.is_running,
        )
        core_us = dict(meter.per_event(corpus.sent))
        counted = self._counted(corpus) - before
        return Worked(corpus.sent / (ended - started), counted, core_us)

    def remember(self) -> float:
        """Wait until the process has read the ids that are stored; return the seconds it took.

        It begins with the first batch that it counts.
        """
        started = time.monotonic()
        ended = wait_for(
            lambda: -self._unread(),
            0,
            within=WITHIN,
            is_alive=lambda: self.served.process.is_running,
        )
        return ended - started

    def _unread(self) -> int:
        with urlopen(f"{self.served.url}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return int(float(next(line.split()[1] for line in lines if line.startswith(_UNREAD))))

    def _counted(self, corpus: Corpus) -> int:
        return int(self.reader.value(_MINE, f"{corpus.shape.prefix}-"))

    def _position(self) -> int:
        return int(self.reader.value(_POSITION))


@contextmanager
def draining(ground: Ground, url: str, module: str = "") -> Iterator[Drain]:
    """Run health on a database; the block gets what drains logs with it."""
    with ground.serving("health", url, module=module) as served, Reader(url) as reader:
        yield Drain(ground, served, reader)


def sweep(
    ground: Ground, shapes: Mapping[str, Shape], ledger: Ledger, say: Callable[[str], None]
) -> Mapping[str, Any]:
    """Drain one corpus after the other with one process; each has accounts of its own."""
    found: dict[str, Any] = {}
    with draining(ground, ground.migrated_database()) as drain:
        drain.work_off(make_corpus(Shape(events=10_000, prefix="warm", seed=99)))
        for name, shape in shapes.items():
            say(f"P1 sweep: {name}")
            corpus = make_corpus(shape)
            try:
                done = drain.work_off(corpus)
            except TooSlowError as error:
                found[name] = {"failed": str(error)}
                break
            ledger.check(f"sweep {name}", expected=corpus.distinct, counted=done.counted)
            found[name] = {
                "events_per_second": round(done.rate, 1),
                "events": corpus.sent,
                "accounts_touched": len(corpus.by_account),
                "events_per_record": shape.packed,
                "core_us_per_event": done.core_us,
            }
    return found


def kill_in_the_middle(ground: Ground, shape: Shape, ledger: Ledger) -> Mapping[str, Any]:
    """Let health read a log of many small batches, kill -9 it half-way, start it again, count."""
    corpus = make_corpus(shape)
    ground.empty_log()
    url = ground.migrated_database()
    publish_all(ground.bootstrap, corpus)
    with Reader(url) as reader:

        def counted() -> int:
            return int(reader.value(_COUNTED))

        with ground.serving("health", url, wait=False) as served:
            process = served.process
            wait_for(
                counted,
                int(corpus.distinct * _KILL_AT),
                within=WITHIN,
                is_alive=lambda: process.is_running,
            )
            process.kill()
        at_kill = counted()
        started = time.monotonic()
        with ground.serving("health", url, wait=False) as served:
            process = served.process
            ended = wait_for(
                counted, corpus.distinct, within=WITHIN, is_alive=lambda: process.is_running
            )
            time.sleep(1.5)
        found = counted()
    ledger.check("p1 kill -9 in the middle", expected=corpus.distinct, counted=found)
    return {
        "committed_when_killed": at_kill,
        "counted": found,
        "expected": corpus.distinct,
        "seconds_from_restart_to_done": round(ended - started, 2),
    }
