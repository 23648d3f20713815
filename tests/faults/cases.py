"""The cases of the short form, each on a running product under load, each followed by the checker.

A case does its harm, heals it, proves progress with a canary and returns what went wrong beside
the invariants.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from time import monotonic, sleep
from typing import Any

from shared.bus.topics import USAGE_TOPIC
from tests.faults.harness import brokers, nemesis
from tests.faults.harness.background import wait_until
from tests.faults.harness.checker import check
from tests.faults.harness.evidence import evidence
from tests.faults.harness.scene import Scene, Setting
from tests.faults.harness.verdicts import Verdict

SHORT_SILENCE = 20.0
LONG_SILENCE = 300.0
_EMBEDDED_SESSION = 6.0
_SESSION = 10.0


@dataclass
class Result:
    """What came of a case."""

    case: str
    seconds: float
    problems: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and all(verdict.holds for verdict in self.verdicts)

    @property
    def broken(self) -> set[str]:
        """Which invariants do not hold."""
        return {verdict.name for verdict in self.verdicts if not verdict.holds}

    def report(self) -> str:
        """Return it as people read it."""
        head = f"{'ok  ' if self.holds else 'FAIL'} {self.case} ({self.seconds:.0f} s)"
        lines = [line for verdict in self.verdicts for line in verdict.lines()]
        said = [f"  {each}" for each in self.evidence]
        return "\n".join([head, *(f"  ! {each}" for each in self.problems), *lines, *said])

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        verdicts = [
            {**asdict(verdict), "name": verdict.name, "ok": verdict.holds}
            for verdict in self.verdicts
        ]
        return {
            "case": self.case,
            "ok": self.holds,
            "seconds": round(self.seconds, 1),
            "problems": self.problems,
            "evidence": self.evidence,
            "invariants": verdicts,
        }


Case = Callable[[Scene], list[str]]

_RECOVERED = "SELECT count(*) FROM health.risks WHERE status = 'recovered'"


def crashes(scene: Scene) -> list[str]:
    """Kill -9 every service at every commit boundary."""
    crashed = nemesis.crash_everywhere(scene, nemesis.crash_plan(scene.rng))
    scene.recover("kill -9 at each commit boundary")
    return [str(crash) for crash in crashed if not crash.is_as_planned]


def duplicates_and_poison(scene: Scene) -> list[str]:
    """Put poison on topics, send what was counted again, and publish all facts again."""
    for topic in (USAGE_TOPIC, "tenure.health", "tenure.onboarding", "tenure.renewals"):
        for _ in range(2):
            scene.background.run(scene.load.send_poison(topic, in_calm=True))
    scene.recover("poison")
    # A risk that is over is what a second telling would open again.
    wait_until(lambda: scene.reader.value(_RECOVERED) >= 6, 60)
    scene.background.run(scene.load.pause(), 120)
    scene.say(f"  sent again: {scene.background.run(scene.load.send_twice(200))}")
    for schema in scene.listeners():
        scene.reader.run(f"UPDATE {schema}.outbox SET publishedat = NULL")
    scene.note_outbox("publishing everything again")
    scene.recover("duplicates")
    return []


def replicas(scene: Scene) -> list[str]:
    """Go from one replica of health to two, make one a zombie, and back to one."""
    first = nemesis.replica_of(scene, "health")
    second = nemesis.add_health(scene)
    nemesis.wait_for_work(scene)
    scene.recover("a second replica of health")
    session = _EMBEDDED_SESSION if brokers.forgets(scene) else _SESSION
    first.process.pause()
    sleep(session + 3)  # the fault itself: silent for longer than its session
    first.process.resume()
    scene.recover("a replica paused past its session")
    nemesis.wait_for_work(scene)
    nemesis.drop(scene, second)
    scene.recover("back to one replica")
    return []


def postgres(scene: Scene) -> list[str]:
    """Kill -9 the database server, twice, under load."""
    for number in (1, 2):
        nemesis.wait_for_work(scene)
        nemesis.kill_postgres(scene)
        scene.note_outbox(f"kill -9 of Postgres, {number}")
    scene.recover("kill -9 of Postgres")
    return []


def broker_silence(scene: Scene, seconds: float = SHORT_SILENCE) -> list[str]:
    """Stop the broker without a word for a while: connected, and never answering."""
    brokers.pause(scene)
    sleep(seconds)  # the fault itself
    brokers.resume(scene)
    scene.note_outbox(f"{seconds:.0f} s without a broker")
    scene.recover("a silent broker")
    return []


def broker_death(scene: Scene) -> list[str]:
    """Kill -9 the broker under load.

    The embedded one loses its log: facts are published again from the outboxes, and usage that
    was acknowledged and not yet counted would be lost, so usage rests.
    """
    if brokers.forgets(scene):
        scene.settle()
        scene.topics.archive()
        scene.background.run(scene.load.pause_usage())
        scene.background.run(scene.load.disconnect())
        scene.background.run(_go_on(scene, usage=False))
        facts = len(scene.ledger.opened)
        wait_until(lambda: len(scene.ledger.opened) > facts + 3, 30)
    brokers.kill(scene)
    brokers.start_again(scene)
    scene.note_outbox("kill -9 of the broker")
    scene.background.run(_go_on(scene, usage=True))
    scene.recover("kill -9 of the broker")
    return []


SHORT: Mapping[str, Case] = {
    "crashes": crashes,
    "duplicates_and_poison": duplicates_and_poison,
    "replicas": replicas,
    "postgres": postgres,
    "broker_silence": broker_silence,
    "broker_death": broker_death,
}


def run_case(scene: Scene, name: str, case: Case) -> Result:
    """Run a case, let everything settle, check every invariant, print it."""
    scene.say(f"case {name}")
    started = monotonic()
    scene.background.run(_go_on(scene, usage=True))
    nemesis.wait_for_work(scene, 20)
    problems = case(scene)
    scene.settle()
    result = Result(name, 0, problems, check(scene))
    result.seconds = monotonic() - started
    if not result.holds:
        result.evidence = evidence(scene)
    scene.say(result.report())
    scene.say(f"  repeat: {command(scene.setting, name)}")
    return result


def command(setting: Setting, only: str = "") -> str:
    """Return the command that repeats a run, or one case of it."""
    if only and only not in SHORT:
        stack = "embedded" if setting.broker == "embedded" else "apache"
        environment = f"TENURE_TEST_STACK={stack} TENURE_FAULT_SEED={setting.seed}"
        return f"{environment} pytest tests/faults -k {only}"
    some = f" --only {only}" if only else ""
    return f"python -m tests.faults --seed {setting.seed} --broker {setting.broker}{some}"


def new_seed() -> int:
    """Return a seed for a run that did not ask for one."""
    return random.SystemRandom().randrange(1_000_000)


async def _go_on(scene: Scene, *, usage: bool) -> None:
    scene.load.resume(usage=usage)
