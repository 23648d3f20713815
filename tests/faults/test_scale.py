"""Replicas come and go under load, and every count is exact: the short form of the soak."""

import os

import pytest

from tests.faults.soak import Soak, soak

BROKER = os.environ.get("TENURE_TEST_STACK", "embedded")


@pytest.mark.stack
@pytest.mark.processes
@pytest.mark.timeout(400)
@pytest.mark.skipif(BROKER not in {"embedded", "apache"}, reason="the stack has to be ours")
def test_one_to_four_to_one_replicas_count_exactly_within_bounded_memory() -> None:
    outcome = soak(Soak(minutes=0.75, rate=1_500, accounts=200, broker=BROKER))
    assert outcome.wrong == []
    assert outcome.counted == outcome.sent > 20_000
    assert outcome.sent_again > 0
    assert outcome.memory
