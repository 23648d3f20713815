"""Replicas of health under load, 1 -> 4 -> 1, counted exactly, their memory bounded (I11).

``python -m tests.faults.soak --minutes 30`` runs Postgres, a broker and health alone, sends usage
at a steady rate with duplicates, starts three more replicas after a third of the time, and takes
three away after two: two by SIGTERM, the first one among them, and one by kill -9. Exit code 1
when a count is not exact, or a process grew.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from services.health.usecases.usage.verifying import Verification, verify_usage
from shared.bus.producer import Message, Producer
from shared.bus.topics import USAGE_TOPIC
from shared.db.transaction import Transaction
from shared.kernel.errors import Refusal
from tenure.catalog import SERVICES
from tenure.cli.databases import run_in
from tenure.stack.local import LocalStack, Plan, Replica
from tests.faults.harness.background import wait_until
from tests.faults.harness.database import Reader

_MOST_GROWTH_MB = 96
_MOST_MB = 700
_PACK = 50
_SAMPLE_SECONDS = 2.0
_NAMES = ("report.exported", "page.viewed", "document.edited", "search.run")


@dataclass(frozen=True)
class Soak:
    """What a run is made of. ``rate`` is events a second, ``again`` the share sent twice."""

    minutes: float
    rate: int = 2_000
    accounts: int = 500
    again: float = 0.02
    seed: int = 7
    broker: str = "embedded"
    command: tuple[str, ...] = (sys.executable, "-m", "tenure")


@dataclass
class Memory:
    """The memory of one process, from when it had warmed up."""

    first_mb: float
    most_mb: float
    last_mb: float


@dataclass
class Outcome:
    """What came of a run."""

    sent: int = 0
    sent_again: int = 0
    counted: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: dict[int, Memory] = field(default_factory=dict)
    seconds_to_catch_up: float = 0.0


class Sender:
    """Sends usage at a steady rate until told to stop; knows exactly what it sent."""

    def __init__(self, soak: Soak, bootstrap: str) -> None:
        self._soak = soak
        self._bootstrap = bootstrap
        self._rng = random.Random(soak.seed)  # noqa: S311 - a run is to be repeated
        self._recent: list[tuple[bytes, bytes]] = []
        self.due: Counter[str] = Counter()
        self.sent_again = 0

    async def run(self, until: float) -> None:
        """Send until a moment of the monotonic clock."""
        producer, number = Producer(self._bootstrap), 0
        started = time.monotonic()
        try:
            while time.monotonic() < until:
                await self._send(producer, self._pack(number))
                number += 1
                behind = started + number * _PACK / self._soak.rate - time.monotonic()
                await asyncio.sleep(max(0.0, behind))
        finally:
            await producer.stop()

    def _pack(self, number: int) -> tuple[bytes, bytes]:
        if self._recent and self._rng.random() < self._soak.again:
            self.sent_again += _PACK
            return self._rng.choice(self._recent)
        account = f"soak-{self._rng.randrange(self._soak.accounts):05}"
        events = [self._event(account, f"{number}-{place}") for place in range(_PACK)]
        self.due[account] += _PACK
        self._recent = [*self._recent[-500:], (account.encode(), msgspec.json.encode(events))]
        return self._recent[-1]

    def _event(self, account: str, event_id: str) -> dict[str, Any]:
        at = datetime.now(UTC) - timedelta(seconds=self._rng.randrange(86_400))
        return {
            "specversion": "1.0",
            "id": event_id,
            "source": "/soak",
            "type": self._rng.choice(_NAMES),
            "subject": account,
            "time": at.isoformat(),
            "data": {
                "user_id": f"u{self._rng.randrange(20)}",
                "properties": {"seconds": self._rng.randrange(500)},
            },
        }

    async def _send(self, producer: Producer, pack: tuple[bytes, bytes]) -> None:
        while True:  # under the same ids: what is not known to have arrived is sent again
            try:
                await producer.send(Message(USAGE_TOPIC, *pack))
            except Refusal:
                await asyncio.sleep(0.2)
            else:
                return


class Watch:
    """Looks at the memory of replicas every few seconds, from some time after they are ready."""

    def __init__(self, stack: LocalStack, warm_up: float) -> None:
        self._stack = stack
        self._warm_up = warm_up
        self._from: dict[int, float] = {}
        self.seen: dict[int, Memory] = {}

    def begin(self) -> None:
        """Take in the replicas that there are; they are ready."""
        for replica in self._stack.replicas:
            self._from.setdefault(replica.process.pid, time.monotonic() + self._warm_up)

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            for replica in list(self._stack.replicas):
                if replica.process.is_running:
                    self._look(replica.process.pid)
            await asyncio.sleep(_SAMPLE_SECONDS)

    def _look(self, pid: int) -> None:
        size = _resident_mb(pid)
        if time.monotonic() < self._from.get(pid, float("inf")) or not size:
            return
        seen = self.seen.setdefault(pid, Memory(size, size, size))
        seen.most_mb, seen.last_mb = max(seen.most_mb, size), size


def soak(plan: Soak, say: Any = lambda _: None) -> Outcome:
    """Run it; return what came of it."""
    with TemporaryDirectory(prefix="tenure-") as folder:
        Path(folder).chmod(0o755)  # as root, Postgres runs as a user who could not enter it
        alone = {name: int(name == "health") for name in SERVICES}
        parts = Plan(
            Path(folder),
            broker=plan.broker,
            durable=False,
            replicas=alone,
            command=plan.command,
        )
        stack = LocalStack(parts)
        with stack.running(say):
            return asyncio.run(_run(plan, stack, say))


async def _run(plan: Soak, stack: LocalStack, say: Any) -> Outcome:
    third = plan.minutes * 60 / 3
    started = time.monotonic()
    sender, watch = Sender(plan, stack.bootstrap), Watch(stack, min(60.0, third / 3))
    watch.begin()
    watching = asyncio.create_task(watch.run())
    sending = asyncio.create_task(sender.run(started + 3 * third))
    for change in (_grow, _shrink):
        await asyncio.sleep(third)
        await asyncio.to_thread(change, stack, say)
        watch.begin()
    await sending
    outcome = Outcome(sum(sender.due.values()), sender.sent_again)
    ended = time.monotonic()
    await asyncio.to_thread(_until_counted, stack, outcome.sent)
    outcome.seconds_to_catch_up = round(time.monotonic() - ended, 1)
    watching.cancel()
    outcome.memory = watch.seen
    await asyncio.to_thread(_check, stack, sender, outcome)
    return outcome


def _grow(stack: LocalStack, say: Any) -> None:
    say("four replicas")
    for number in (1, 2, 3):
        stack.add_replica("health", number)
    for replica in stack.replicas:
        replica.process.wait_until_ready()


def _shrink(stack: LocalStack, say: Any) -> None:
    say("back to one replica: one killed, the others told to stop")
    *leaving, _ = list(stack.replicas)
    for number, replica in enumerate(leaving):
        stack.replicas.remove(replica)
        _leave(replica, is_killed=number == 1)


def _leave(replica: Replica, *, is_killed: bool) -> None:
    if is_killed:
        replica.process.kill()
    else:
        replica.process.terminate()


def _until_counted(stack: LocalStack, due: int) -> None:
    reader = Reader(stack.admin_url)
    sql = "SELECT coalesce(sum(n), 0) FROM health.usage_daily"
    wait_until(lambda: reader.value(sql) >= due, 180, every=0.5)


def _check(stack: LocalStack, sender: Sender, outcome: Outcome) -> None:
    rows = Reader(stack.admin_url).rows(
        "SELECT account_id, sum(n) AS n FROM health.usage_daily GROUP BY account_id"
    )
    counted = {row["account_id"]: int(row["n"]) for row in rows}
    outcome.counted = sum(counted.values())
    outcome.wrong += [
        f"{account}: {sender.due[account]} sent, {counted.get(account, 0)} counted"
        for account in sorted(sender.due.keys() | counted.keys())
        if sender.due[account] != counted.get(account, 0)
    ]
    done = run_in(stack.admin_url, "health", _verify)
    if done.ids != outcome.sent:
        outcome.wrong.append(f"{done.ids} ids are kept for {outcome.sent} events")
    outcome.wrong += [str(each) for each in done.differences]
    for pid, memory in outcome.memory.items():
        if memory.most_mb - memory.first_mb > _MOST_GROWTH_MB or memory.most_mb > _MOST_MB:
            outcome.wrong.append(f"I11: process {pid} grew: {memory}")


async def _verify(tx: Transaction) -> Verification:
    return await verify_usage(tx)


def _resident_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return round(int(found[0]) / 1024, 1) if found else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; print the report as JSON on stdout."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=2_000, help="events a second")
    parser.add_argument("--accounts", type=int, default=500)
    parser.add_argument("--again", type=float, default=0.02, help="share that is sent twice")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--broker", default="embedded", help="embedded (default) or apache")
    wanted = parser.parse_args(arguments)

    def say(what: str) -> None:
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what}\n")

    outcome = soak(Soak(**vars(wanted)), say)
    sys.stdout.write(json.dumps(asdict(outcome), indent=2) + "\n")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
