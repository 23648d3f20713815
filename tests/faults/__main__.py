"""Run the fault tests from a seed: ``python -m tests.faults --seed 7 --broker apache``.

Exit code 1 when an invariant does not hold.
"""

import argparse
import json
import random
import sys

from tests.faults.cases import (
    LONG_SILENCE,
    SHORT,
    Case,
    Result,
    broker_silence,
    command,
    new_seed,
    run_case,
)
from tests.faults.harness.scene import Scene, Setting, play

_LONG_ROUNDS = 20


def main() -> int:
    """Run what was asked for; print a report, or JSON on stdout."""
    wanted = _arguments()
    seed = wanted.seed if wanted.seed is not None else new_seed()
    setting = Setting(seed=seed, broker=wanted.broker, keep=wanted.keep)
    sys.stderr.write(f"seed {seed}; repeat: {command(setting, wanted.only)}\n")
    with play(setting) as scene:
        results = _long(scene) if wanted.long else _short(scene, wanted.only)
    is_ok = all(result.holds for result in results)
    if wanted.json:
        cases = [result.as_json() for result in results]
        sys.stdout.write(json.dumps({"seed": seed, "ok": is_ok, "cases": cases}, default=str))
    for result in results:
        sys.stderr.write(f"{'ok  ' if result.holds else 'FAIL'} {result.case}\n")
    return 0 if is_ok else 1


def _short(scene: Scene, only: str) -> list[Result]:
    chosen = {name: case for name, case in SHORT.items() if only in {"", name}}
    return [run_case(scene, name, case) for name, case in chosen.items()]


def _long(scene: Scene) -> list[Result]:
    """Run each case often, in an order that the seed chooses, and one long outage."""
    rng = random.Random(scene.setting.seed)  # noqa: S311 - a run is to be repeated
    plan = list(SHORT.items()) * _LONG_ROUNDS
    rng.shuffle(plan)
    results = []
    for name, case in plan:
        scene.add_customers(30)
        results.append(run_case(scene, name, case))

    def outage(on: Scene) -> list[str]:
        return broker_silence(on, LONG_SILENCE)

    last: Case = outage
    return [*results, run_case(scene, "long_outage", last)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat a run; default: a new one")
    parser.add_argument("--broker", default="embedded", help="embedded (default) or apache")
    parser.add_argument("--only", default="", choices=["", *SHORT], help="one case")
    parser.add_argument("--long", action="store_true", help="each case 20 times, shuffled")
    parser.add_argument("--keep", default="", help="leave data and logs in this folder")
    parser.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
