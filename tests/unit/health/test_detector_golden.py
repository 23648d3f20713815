import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.health.domain.detector.gpr import SegmentDay, seal_day
from services.health.domain.detector.state import DayTally, DetectorState, Floats, SegmentState
from tests.unit.health import plain_gpr


@dataclass
class Outcome:
    ratio: Floats
    probability: Floats
    alarms: list[list[int]] = field(default_factory=list)


def run_golden(accounts: list[dict[str, Any]]) -> Outcome:
    """Peers per segment, one weekday shape for all of them, as the golden files were made.

    There a new segment learns its weekdays from the first day too, of which the detector learns
    nothing (decision 22): that day is told apart here.
    """
    counts = np.array([account["daily"] for account in accounts], dtype=np.float64)
    names = sorted({account["segment"] for account in accounts})
    groups = [
        np.array([i for i, a in enumerate(accounts) if a["segment"] == name]) for name in names
    ]
    states = [DetectorState.fresh(len(group)) for group in groups]
    outcome = Outcome(np.zeros_like(counts), np.zeros_like(counts), [[] for _ in accounts])
    shape = SegmentState()
    for day in range(counts.shape[1]):
        tally = DayTally()
        for number, group in enumerate(groups):
            today = SegmentDay(counts[group, day], day % 7, alarm_at=0.69)
            sealed = seal_day(states[number], shape, today)
            states[number] = sealed.state
            tally += sealed.tally
            outcome.ratio[group, day] = sealed.result.ratio
            outcome.probability[group, day] = sealed.result.probability
            for account in group[sealed.result.alarm]:
                outcome.alarms[account].append(day)
        shape = shape.learn(day % 7, tally if day else first_day(counts[:, 0]))
    return outcome


def first_day(counts: Floats) -> DayTally:
    """Return what accounts say of a weekday when their level is a guess of 1."""
    return DayTally(shape_observed=float(counts.sum()) / 2, shape_expected=len(counts) / 2)


def generated(accounts: int, days: int) -> list[dict[str, Any]]:
    """Poisson counts with weekdays, a quiet week for all, and a drop of every third account."""
    random = np.random.default_rng(20260302)
    weekday = np.array([1.2, 1.1, 1.0, 1.1, 0.9, 0.3, 0.2])
    made = []
    for number in range(accounts):
        level = 4.0 * 1.6 ** (number % 6)
        factor = np.ones(days)
        factor[70:77] = 0.4
        factor[100:] *= 0.25 if number % 3 == 0 else 1.0
        daily = random.poisson(level * weekday[np.arange(days) % 7] * factor)
        made.append({"segment": f"s{number % 2}", "daily": daily.tolist()})
    return made


@pytest.mark.parametrize("accounts", [3, 12])
def test_ratios_probabilities_and_alarms_are_those_of_a_plain_implementation(accounts: int) -> None:
    data = generated(accounts, 150)
    outcome = run_golden(data)
    expected = plain_gpr.expected({"accounts": data})
    np.testing.assert_allclose(outcome.ratio, [e.ratios for e in expected], atol=1e-9)
    np.testing.assert_allclose(outcome.probability, [e.probabilities for e in expected], atol=1e-9)
    assert outcome.alarms == [e.alarms for e in expected]
    assert any(outcome.alarms)


def test_the_projects_golden_accounts_are_reproduced() -> None:
    folder = os.environ.get("TENURE_DATA")
    if folder is None:
        pytest.skip("TENURE_DATA does not name the folder that holds gpr_golden.json")
    golden = json.loads((Path(folder) / "gpr_golden.json").read_text(encoding="utf-8"))
    outcome = run_golden(golden["accounts"])
    expected = [account["expected"] for account in golden["accounts"]]
    ratio = np.array([e["R"] for e in expected], dtype=np.float64)
    probability = np.array([e["P"] for e in expected], dtype=np.float64)
    first = 28
    assert np.isnan(ratio[:, :first]).all()
    np.testing.assert_allclose(
        outcome.ratio[:, first:], ratio[:, first:], atol=golden["tolerance"]["R"], rtol=0
    )
    np.testing.assert_allclose(
        outcome.probability[:, first:],
        probability[:, first:],
        atol=golden["tolerance"]["P"],
        rtol=0,
    )
    assert outcome.alarms == [e["alarm"] for e in expected]
