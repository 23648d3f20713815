"""Replicas come and go under load, and every count is exact: the short form of the soak."""

import os
import sys
from pathlib import Path

import pytest

from tests.faults.soak import Soak, soak

BROKER = os.environ.get("TENURE_TEST_STACK", "embedded")


BROKEN_BUILD = (sys.executable, str(Path(__file__).parent / "broken_build.py"))

pytestmark = [
    pytest.mark.stack,
    pytest.mark.processes,
    pytest.mark.timeout(400),
    pytest.mark.skipif(BROKER not in {"embedded", "apache"}, reason="the stack has to be ours"),
]


def test_one_to_four_to_one_replicas_count_exactly_within_bounded_memory() -> None:
    outcome = soak(Soak(minutes=0.75, rate=1_500, accounts=200, broker=BROKER))
    assert outcome.wrong == []
    assert outcome.counted == outcome.sent > 20_000
    assert outcome.sent_again > 0
    assert outcome.memory


def test_a_build_that_forgets_ids_counts_wrong_and_is_caught() -> None:
    plan = Soak(minutes=0.1, again=0.5, accounts=20, broker=BROKER, command=BROKEN_BUILD)
    outcome = soak(plan)
    assert outcome.counted > outcome.sent
    assert outcome.wrong
