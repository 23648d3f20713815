"""P1: usage read, de-duplicated, added up and committed, against reading alone and three rivals.

Raw, Tenure and each rival work off the same log, one after the other, several rounds; every ratio
is taken within its round, and the median is reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from benchmarks import consumers
from benchmarks.checks import Ledger
from benchmarks.consumers import Consumer
from benchmarks.drain import kill_in_the_middle, sweep
from benchmarks.ground import Ground, open_ground
from benchmarks.options import Options
from benchmarks.progress import TooSlowError
from benchmarks.workload import Corpus, Shape, make_corpus

RIVALS = ("faststream", "quix", "sqlalchemy")
_RATIOS = {"P1_vs_raw": 0.5, "P1_vs_best_framework": 2.0}
_OURS = "pipeline"
"""What is compared: the usage pipeline of health, the same work as the rivals do. The whole service
(`tenure`), which scores, seals and listens in the same process, is reported beside it."""


def run(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure P1, records of 100 events; return its section of the report."""
    rounds = options.size(options.rounds, full=3, quick=1)
    shape = _shape(options)
    everyone, absent = _everyone(options)
    with open_ground(options) as ground:
        found = _Comparison(options, ledger, ground, make_corpus(shape)).play(everyone, rounds)
        options.say("P1 kill -9 in the middle, then a restart")
        killed = kill_in_the_middle(ground, replace(shape, packed=1), ledger)
    return {
        "packed_100_per_record": found,
        "kill_9": killed,
        "missing": absent,
        "failed": _failures(found),
        "ratios": {name: _ratio(name, found) for name in _RATIOS},
        "targets": {
            "P1_events_per_second": {
                "value": found["median"].get(_OURS),
                "target": 50_000,
                "unit": "events/s",
                "at_least": True,
                "note": f"the whole service beside it: {found['median'].get('tenure')}",
            }
        },
    }


def run_sweeps(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure what P1 depends on: events to a record, duplicates, accounts and their spread."""
    shape = _shape(options)
    everyone, absent = _everyone(options)
    single = make_corpus(replace(shape, events=shape.events // 4, packed=1))
    with open_ground(options) as ground:
        one_each = _Comparison(options, ledger, ground, single).play(everyone, 1)
        ground.empty_log()
        sweeps = sweep(ground, _sweeps(options, shape.events // 2), ledger, options.say)
    failed = _failures(one_each) or "; ".join(
        f"{name}: {each['failed']}" for name, each in sweeps.items() if "failed" in each
    )
    return {"one_per_record": one_each, "sweeps": sweeps, "missing": absent, "failed": failed}


def _failures(found: Mapping[str, Any]) -> str:
    """Return which consumers did not reach the end, in words; empty when all did."""
    return "; ".join(f"{name}: {why}" for name, why in found["failed"].items())


def _shape(options: Options) -> Shape:
    return Shape(
        events=options.size(options.events, full=200_000, quick=60_000),
        accounts=options.size(options.accounts, full=2_000, quick=1_000),
    )


def _everyone(options: Options) -> tuple[dict[str, Consumer], dict[str, str]]:
    rivals, absent = _rivals(options)
    ours = {"raw": consumers.raw, "tenure": consumers.tenure, "pipeline": consumers.pipeline}
    return {**ours, **rivals}, absent


def _rivals(options: Options) -> tuple[dict[str, Consumer], dict[str, str]]:
    reasons = {name: consumers.missing(name, options.rival_python) for name in RIVALS}
    present = {
        name: consumers.rival(name, options.rival_python)
        for name, reason in reasons.items()
        if not reason
    }
    return present, {name: reason for name, reason in reasons.items() if reason}


@dataclass
class _Comparison:
    """Rounds of all consumers over one corpus."""

    options: Options
    ledger: Ledger
    ground: Ground
    corpus: Corpus
    rounds: list[dict[str, float]] = field(default_factory=list)
    cores: dict[str, Mapping[str, float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def play(self, everyone: Mapping[str, Consumer], rounds: int) -> dict[str, Any]:
        """Let each consumer work off the corpus, in turn, round after round."""
        for number in range(rounds):
            self.rounds.append({})
            for name, consume in everyone.items():
                self._one(name, consume, number)
        corpus = self.corpus
        return {
            "events": corpus.sent,
            "distinct": corpus.distinct,
            "accounts": corpus.shape.accounts,
            "bytes_per_event": round(corpus.bytes / corpus.sent, 1),
            "unit": "events/s",
            "median": {name: _median(self.rounds, name) for name in everyone},
            "rounds": self.rounds,
            "core_us_per_event": self.cores,
            "failed": self.failed,
        }

    def _one(self, name: str, consume: Consumer, number: int) -> None:
        what = f"P1 {self.corpus.shape.packed}/record, round {number + 1}, {name}"
        self.options.say(what)
        try:
            done = consume(self.ground, self.corpus, f"bench.{name}.{number}")
        except TooSlowError as error:
            self.failed[name] = str(error)
            return
        self.ledger.check(what, expected=done.expected, counted=done.counted)
        self.rounds[-1][name] = round(done.rate, 1)
        self.cores[name] = done.core_us


def _median(rounds: Sequence[Mapping[str, float]], name: str) -> float | None:
    values = [found[name] for found in rounds if name in found]
    return round(median(values), 1) if values else None


def _ratio(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Take the ratio within each round; against rivals the best of the round is the baseline."""
    ratios, baselines = [], []
    for one in found["rounds"]:
        theirs = ["raw"] if name == "P1_vs_raw" else [rival for rival in RIVALS if rival in one]
        base = max((one[each] for each in theirs if each in one), default=0.0)
        if base and _OURS in one:
            ratios.append(round(one[_OURS] / base, 4))
            baselines.append(base)
    return {
        "value": round(median(ratios), 4) if ratios else None,
        "ours": found["median"].get(_OURS),
        "baseline": round(median(baselines), 1) if baselines else None,
        "unit": "events/s",
        "rounds": ratios,
        "target": _RATIOS[name],
    }


def _sweeps(options: Options, events: int) -> Mapping[str, Shape]:
    base = Shape(events=events)
    found = {
        "duplicates 0 %": replace(base, duplicates=0.0),
        "duplicates 0.6 %": base,
        "duplicates 10 %": replace(base, duplicates=0.1),
        "1,000 accounts, zipf": replace(base, accounts=1_000, spread="zipf"),
        "100,000 accounts, uniform": replace(base, accounts=100_000, packed=10),
    }
    if not options.quick:
        found["100,000 accounts, zipf"] = replace(base, accounts=100_000, spread="zipf", packed=10)
        found["1,000,000 accounts, uniform"] = replace(base, accounts=1_000_000, packed=1)
    return {
        name: replace(shape, seed=100 + number, prefix=f"sweep{number}")
        for number, (name, shape) in enumerate(found.items())
    }
