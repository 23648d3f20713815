"""Three nodes of Apache Kafka, each killed in turn under load: nothing lost, nothing doubled."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tenure.stack.apache_kafka import ApacheKafka
from tests.faults.cases import new_seed, run_case
from tests.faults.harness import nemesis
from tests.faults.harness.scene import Scene, Setting, play

pytestmark = [
    pytest.mark.three_nodes,
    pytest.mark.processes,
    pytest.mark.timeout(500),
    pytest.mark.skipif(
        os.environ.get("TENURE_TEST_STACK") != "apache",
        reason="needs TENURE_TEST_STACK=apache: three nodes of Apache Kafka, 1.2 GB",
    ),
]


@pytest.fixture
def kafka() -> Iterator[ApacheKafka]:
    with TemporaryDirectory(prefix="tenure-kafka-") as folder:
        cluster = ApacheKafka(Path(folder), nodes=3)
        cluster.start()
        yield cluster
        cluster.stop()


def test_each_broker_is_killed_in_turn_and_nothing_is_lost_or_doubled(kafka: ApacheKafka) -> None:
    def kill_each(scene: Scene) -> list[str]:
        problems = []
        for number in (1, 2, 3):
            kafka.kill(number)
            nemesis.wait_for_work(scene, 60)
            scene.recover(f"kill -9 of broker {number}")
            kafka.start_node(number)
            scene.note_outbox(f"broker {number} came back")
            nemesis.wait_for_work(scene, 60)
            problems += nemesis.wait_until_whole(scene)
        return problems

    seed = int(os.environ.get("TENURE_FAULT_SEED", new_seed()))
    with play(Setting(seed=seed, broker=kafka.bootstrap)) as scene:
        result = run_case(scene, "each_broker", kill_each)
        assert result.holds, result.report()
