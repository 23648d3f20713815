"""The product backends as processes: each is given its days and says when one is sent."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tenure.demo.cast import Backend
from tenure.demo.script import DayPlan
from tenure.demo.stage import DemoFailedError, Stage

_SCRIPTS = {
    Backend.SEGMENT: "with_segment.py",
    Backend.RUDDER: "with_rudder.py",
    Backend.KAFKA: "straight_to_kafka.py",
}
_FOLDER = Path(__file__).parent / "backends"
_A_DAY_WITHIN = 30.0
_END_WITHIN = 5.0
_LONGEST_LINE = 1024 * 1024


class ProductBackend:
    """One product backend that runs."""

    def __init__(self, backend: Backend, process: asyncio.subprocess.Process, log: Path) -> None:
        self.backend = backend
        self._process = process
        self._log = log

    async def send(self, plan: DayPlan) -> None:
        """Have a day sent, and return when all of it is acknowledged. Raises `DemoFailedError`."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise DemoFailedError(f"the {self.backend} backend has no pipes")
        try:
            process.stdin.write(plan.to_json() + b"\n")
            await process.stdin.drain()
            line = await asyncio.wait_for(process.stdout.readline(), _A_DAY_WITHIN)
            failures = json.loads(line)["failures"]
        except (ValueError, OSError, TimeoutError) as error:
            raise self._failed(type(error).__name__) from None
        if failures:
            raise self._failed(str(failures[0]))

    async def stop(self) -> None:
        """Let it end by itself, at the end of its input; kill it when it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _END_WITHIN)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _failed(self, why: str) -> DemoFailedError:
        said = self._log.read_text(encoding="utf-8")[-2000:] if self._log.is_file() else ""
        return DemoFailedError(f"the {self.backend} backend: {why}\n{said}".rstrip())


@asynccontextmanager
async def backends(
    stage: Stage, write_keys: Mapping[str, str]
) -> AsyncIterator[Mapping[Backend, ProductBackend]]:
    """Run the three product backends for as long as the block lasts."""
    running: dict[Backend, ProductBackend] = {}
    try:
        for backend in Backend:
            running[backend] = await _start(stage, backend, write_keys.get(backend, ""))
        yield running
    finally:
        await asyncio.gather(*(each.stop() for each in running.values()))


async def _start(stage: Stage, backend: Backend, write_key: str) -> ProductBackend:
    log = stage.folder / "logs" / f"backend-{backend}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment: dict[str, Any] = {
        **os.environ,
        "TENURE_URL": stage.urls["health"],
        "WRITE_KEY": write_key,
        "KAFKA_BOOTSTRAP": stage.bootstrap,
        "SOURCE": stage.source(backend),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_FOLDER / _SCRIPTS[backend]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environment,
            limit=_LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for us; a backend ends when its input does
        )
    return ProductBackend(backend, process, log)
