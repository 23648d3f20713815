"""The consumers that P1 compares, all driven alike (see `progress`)."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import run

import msgspec

from benchmarks.cpu import CpuMeter
from benchmarks.database import Reader
from benchmarks.ground import Ground
from benchmarks.progress import wait_for
from benchmarks.workload import Corpus, Shape, make_corpus, publish_all
from shared.bus.topics import USAGE_TOPIC
from tenure.stack.processes import ManagedProcess

WITHIN = 240.0
COUNTED = "SELECT coalesce(sum(n), 0)::bigint FROM {schema}usage_daily"
PIPELINE_ONLY = "benchmarks.pipeline_only"
_RIVALS = Path(__file__).parent / "rivals"
_WARM_UP = 16
_SECOND_LOOK = 1.5


@dataclass(frozen=True, slots=True)
class Run:
    """One consumer's run over a log. ``core_us``: core-microseconds per event, by process."""

    rate: float
    counted: int
    expected: int
    core_us: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Working:
    """A consumer that runs: its process, and how many events it has committed."""

    process: ManagedProcess
    committed: Callable[[], int]


Consumer = Callable[[Ground, Corpus, str], Run]


def raw(ground: Ground, corpus: Corpus, group: str) -> Run:
    """Read and decode only: it commits nothing, but must have seen every event."""
    warm = begin(ground, corpus)
    marks = [str(warm.sent), str(warm.sent + corpus.sent)]
    command = [sys.executable, "-m", "benchmarks.raw_consumer", ground.bootstrap, group, *marks]
    with ground.running("raw", command) as process:
        working = Working(process, lambda: len(_said(process)))
        wait_for(working.committed, 1, within=WITHIN, is_alive=lambda: process.is_running)
        started, meter = let_go(ground, corpus, process)
        wait_for(
            working.committed,
            2,
            within=WITHIN,
            is_alive=lambda: len(_said(process)) > 1 or process.is_running,
        )
        core_us = meter.per_event(corpus.sent)
        last = _said(process)[-1]
    return Run(
        rate=corpus.sent / (last["at"] - started),
        counted=int(last["seen"]) - warm.sent,
        expected=corpus.sent,
        core_us=dict(core_us),
    )


def tenure(ground: Ground, corpus: Corpus, _group: str) -> Run:
    """`tenure serve health`, with everything it does."""
    return _measured(ground, corpus, _health(ground, ""))


def pipeline(ground: Ground, corpus: Corpus, _group: str) -> Run:
    """Health's consumer as a process, without scores, sealing and listeners."""
    return _measured(ground, corpus, _health(ground, PIPELINE_ONLY))


def rival(name: str, python: Path) -> Consumer:
    """Return the consumer that a program in `rivals` is."""

    def consume(ground: Ground, corpus: Corpus, group: str) -> Run:
        return _measured(ground, corpus, _rival(ground, name, python, group))

    return consume


def missing(name: str, python: Path) -> str:
    """Return why a rival cannot run, or nothing."""
    if not python.exists():
        return f"{python} is not there: `make bench` installs benchmarks/requirements.txt into it"
    module = {"quix": "quixstreams"}.get(name, name)
    done = run(  # noqa: S603 - our own interpreter, and no shell reads it
        [str(python), "-c", f"import {module}"], capture_output=True, check=False
    )
    if done.returncode == 0:
        return ""  # whatever it may have warned of
    return done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or "it does not start"


@contextmanager
def _health(ground: Ground, module: str) -> Iterator[Working]:
    url = ground.migrated_database()
    with (
        ground.serving("health", url, module=module, wait=False) as served,
        Reader(url) as reader,
    ):
        sql = COUNTED.format(schema="health.")
        yield Working(served.process, lambda: int(reader.value(sql)))


@contextmanager
def _rival(ground: Ground, name: str, python: Path, group: str) -> Iterator[Working]:
    url = ground.empty_database()
    environment = {
        "BOOTSTRAP": ground.bootstrap,
        "DATABASE": url,
        "GROUP": group,
        "TOPIC": USAGE_TOPIC,
        "STATE": str(ground.folder / "state"),
        "PYTHONPATH": str(_RIVALS),
    }
    command = [str(python.absolute()), str(_RIVALS / f"{name}_app.py")]
    with Reader(url) as reader:
        reader.execute((_RIVALS / "schema.sql").read_text(encoding="utf-8"))
        with ground.running(name, command, environment) as process:
            sql = COUNTED.format(schema="")
            yield Working(process, lambda: int(reader.value(sql)))


def _measured(ground: Ground, corpus: Corpus, consumer: AbstractContextManager[Working]) -> Run:
    warm = begin(ground, corpus)
    with consumer as working:
        process = working.process
        wait_for(
            working.committed, warm.distinct, within=WITHIN, is_alive=lambda: process.is_running
        )
        started, meter = let_go(ground, corpus, process)
        end = warm.distinct + corpus.distinct
        ended = wait_for(working.committed, end, within=WITHIN, is_alive=lambda: process.is_running)
        core_us = meter.per_event(corpus.sent)
        # Events that were sent twice may still come: what is counted too much has time to show.
        time.sleep(_SECOND_LOOK)
        counted = working.committed() - warm.distinct
    return Run(
        rate=corpus.sent / (ended - started),
        counted=counted,
        expected=corpus.distinct,
        core_us=dict(core_us),
    )


def begin(ground: Ground, corpus: Corpus) -> Corpus:
    """Empty the log and put in it what consumers warm up with: some events of every account.

    So the accounts are known, and their milestones reached, as with customers of any age.
    """
    shape = corpus.shape
    known = Shape(
        events=min(shape.accounts, 20_000) * _WARM_UP,
        accounts=shape.accounts,
        packed=_WARM_UP,
        prefix=shape.prefix,
        seed=shape.seed + 1_000,
        duplicates=0.0,
        shuffled=False,
    )
    warm = make_corpus(known)
    ground.empty_log()
    publish_all(ground.bootstrap, warm)
    return warm


def let_go(ground: Ground, corpus: Corpus, process: ManagedProcess) -> tuple[float, CpuMeter]:
    """Fill the log while the consumer stands still; return when it went on."""
    process.pause()
    try:
        publish_all(ground.bootstrap, corpus)
        meter = CpuMeter({"consumer": process.pid, **ground.pids})
    finally:
        started = time.monotonic()
        process.resume()
    return started, meter


def _said(process: ManagedProcess) -> list[dict[str, float]]:
    lines = process.spec.log.read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines if line.startswith(b'{"seen"')]
