"""The nemesis: does harm to processes, chosen by the seed."""

import random
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import monotonic

from tenure.catalog import SERVICES
from tenure.stack.local import Replica
from tests.faults.harness.background import wait_until
from tests.faults.harness.ledger import Outcome
from tests.faults.harness.scene import Scene

_REACHED_WITHIN = 90.0
_EVERYWHERE = (
    "transaction.before_commit",
    "transaction.after_commit",
    "relay.sent",
    "relay.marked",
    "dispatcher.before_commit",
    "dispatcher.after_commit",
)
_OF = {
    "health": ("usage.before_commit", "usage.after_commit", "intake.saved"),
    "notifications": ("delivery.sent",),
}
# How often a point is passed before it kills: commits are many, messages few.
_PASSES = {"transaction": 25, "relay": 3, "dispatcher": 6, "usage": 4, "intake": 6, "delivery": 1}


@dataclass(frozen=True, slots=True)
class Crash:
    """A process that died where it was told to."""

    service: str
    point: str
    seconds: float
    exit_code: int | None

    @property
    def is_as_planned(self) -> bool:
        """Whether the point was reached and the kill was real."""
        return self.exit_code == -signal.SIGKILL

    def __str__(self) -> str:
        how = "killed" if self.is_as_planned else f"NOT REACHED ({self.exit_code})"
        return f"{self.service} at {self.point}: {how} after {self.seconds:.1f} s"


def crash_plan(rng: random.Random, rounds: int = 1) -> dict[str, list[str]]:
    """Return where each service is to die, in an order that the seed chooses."""
    plan = {}
    for service in SERVICES:
        points: list[str] = []
        for _ in range(rounds):
            some = [*_EVERYWHERE, *_OF.get(service, ())]
            rng.shuffle(some)
            # A delivery that died on its way is sent again when its lease of 30 s runs out.
            some.sort(key=lambda point: point != "delivery.sent")
            points += [f"{p}:{rng.randint(1, _PASSES[p.partition('.')[0]])}" for p in some]
        plan[service] = points
    return plan


def crash_everywhere(scene: Scene, plan: dict[str, list[str]]) -> list[Crash]:
    """Let each service die at each of its points in turn, all services at once, then heal them."""
    with ThreadPoolExecutor(len(plan)) as pool:
        chains = [
            pool.submit(_crash_chain, replica_of(scene, service), points, scene.say)
            for service, points in plan.items()
        ]
        return [crash for chain in chains for crash in chain.result()]


def replica_of(scene: Scene, service: str) -> Replica:
    """Return the first replica of a service."""
    return next(each for each in scene.stack.replicas if each.service == service)


def add_health(scene: Scene) -> Replica:
    """Start another replica of health, and wait until it has its share."""
    replica = scene.stack.add_replica("health", 1)
    replica.process.wait_until_ready()
    return replica


def drop(scene: Scene, replica: Replica) -> None:
    """Kill a replica for good."""
    scene.stack.replicas.remove(replica)
    replica.process.kill()


def kill_postgres(scene: Scene) -> None:
    """Kill the database server with everything it has, and start it again."""
    postgres = scene.stack.postgres
    assert postgres is not None
    postgres.kill()
    postgres.start()


def wait_for_work(scene: Scene, count: int = 40, within: float = 60.0) -> None:
    """Wait until the load has got so many more acknowledgements: a fault hits something then."""

    def acknowledged() -> int:
        ledger = scene.ledger
        return len(ledger.usage_with(Outcome.OK)) + len(ledger.signals_with(Outcome.OK))

    before = acknowledged()
    wait_until(lambda: acknowledged() >= before + count, within)


def wait_until_whole(scene: Scene, within: float = 60.0) -> list[str]:
    """Wait until every broker has every partition; return what lacks one to the end.

    Of three copies a write needs two: a broker that dies while another catches up is a second
    fault at the same time, which nobody promises to survive.
    """
    left: list[str] = []

    def is_whole() -> bool:
        left[:] = scene.topics.behind()
        return not left

    took = wait_until(is_whole, within)
    scene.say(f"  every broker has everything after {took and round(took, 1)} s")
    return [f"not on every broker: {', '.join(left)}"] if took is None else []


def _crash_chain(
    replica: Replica, points: Sequence[str], say: Callable[[str], None]
) -> list[Crash]:
    process = replica.process
    clean = process.spec
    crashes = []
    process.kill()
    for point in points:
        process.spec = replace(clean, env={**(clean.env or {}), "CRASH_AT": point})
        started = monotonic()
        process.start(wait=False)
        try:
            code: int | None = process.wait(_REACHED_WITHIN)
        except TimeoutError:
            code = None
            process.kill()
        crashes.append(Crash(replica.service, point, monotonic() - started, code))
        say(f"  {crashes[-1]}")
    process.spec = clean
    process.start()
    return crashes
