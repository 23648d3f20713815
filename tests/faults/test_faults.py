"""The short form: faults on a running product under load, and the invariants after each.

The seed and the command that repeats a run are printed with every report.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cases import SHORT, Result, command, duplicates_and_poison, new_seed, run_case
from tests.faults.harness.scene import Scene, Setting, play

BROKEN_BUILD = (sys.executable, str(Path(__file__).parent / "broken_build.py"))
BROKER = os.environ.get("TENURE_TEST_STACK", "embedded")

pytestmark = [
    pytest.mark.stack,
    pytest.mark.processes,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        BROKER not in {"embedded", "apache"},
        reason="faults are done to a broker and a Postgres that are ours",
    ),
]


def setting() -> Setting:
    return Setting(seed=int(os.environ.get("TENURE_FAULT_SEED", new_seed())), broker=BROKER)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with play(setting()) as played:
        yield played


def verdict(result: Result, scene: Scene) -> str:
    return f"{result.report()}\nrepeat: {command(scene.setting)}"


@pytest.mark.parametrize("name", SHORT)
def test_every_invariant_holds_after(name: str, scene: Scene) -> None:
    result = run_case(scene, name, SHORT[name])
    assert result.holds, verdict(result, scene)


def test_a_build_that_forgets_what_it_has_seen_is_caught() -> None:
    broken = Setting(seed=setting().seed, broker=BROKER, accounts=12, command=BROKEN_BUILD)
    with play(broken) as scene:
        result = run_case(scene, "forgets", duplicates_and_poison)
        assert {"I1", "I3", "I6", "I9"} <= result.broken, verdict(result, scene)
        assert not {"I2", "I5", "I8", "I10"} & result.broken, verdict(result, scene)
