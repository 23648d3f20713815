"""A process beside the service that does sums: started, listened to, and killed."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self
from uuid import UUID

import msgspec

_MODULE = "services.health.usecases.backtest.calculating"
_LONGEST_LINE = 256 * 1024 * 1024


class Calculation:
    """A running calculation. It dies with this process: its standard input closes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, database_url: str, backtest_id: UUID) -> Self:
        """Start the calculation of a back-test.

        The URL holds a password: it goes through standard input, which no process list shows.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            # Threads of the linear-algebra library would only take the cores of the service.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        calculation = cls(process)
        asked = {"url": database_url, "id": str(backtest_id)}
        if process.stdin is not None:
            process.stdin.write(msgspec.json.encode(asked) + b"\n")
            with suppress(ConnectionError):
                await process.stdin.drain()
        return calculation

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    async def heard(self) -> Mapping[str, Any] | None:
        """Return what it says next; None when it is gone."""
        if self._process.stdout is None:
            return None
        line = await self._process.stdout.readline()
        return msgspec.json.decode(line, type=dict) if line.endswith(b"\n") else None

    async def stop(self) -> int:
        """Kill it if it still runs; return its exit code, negative for a signal."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        return await self._process.wait()
