"""Work in the background: crews of workers, each on one event loop.

They are crash only: a worker that fails in a way it did not expect ends the process, and a
supervisor starts it again from what Postgres knows.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

from shared.observability.logging import get_logger
from shared.observability.metrics import LOOP_LAG

log = get_logger(__name__)

_DRAIN_SECONDS = 15
_LOOP_PROBE = 0.5

Work = Callable[[asyncio.Event], Awaitable[None]]
"""What a worker does until the event is set."""


class Crew:
    """Workers on one event loop, which is the one that starts them."""

    def __init__(self, loop_name: str, *works: tuple[str, Work]) -> None:
        self._works = (*works, ("loop_lag", lambda stop: _watch_loop(loop_name, stop)))
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Set everybody to work."""
        self._tasks = [
            asyncio.create_task(self._or_die(name, work), name=name) for name, work in self._works
        ]

    async def drain(self) -> None:
        """Let what is under way end; whatever does not is rolled back and done again later."""
        self._stop.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=_DRAIN_SECONDS)
        for worker in late:
            log.warning("worker_cut_off", worker=worker.get_name())
            worker.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _or_die(self, name: str, work: Work) -> None:
        try:
            await work(self._stop)
        except Exception:
            log.exception("worker_failed", worker=name)
        except asyncio.CancelledError:
            if self._stop.is_set():
                raise
            # A library that cancels our task must not leave a service that looks alive.
            log.exception("worker_cancelled", worker=name)
        if not self._stop.is_set():
            _end_process()


class BackLoop:
    """An event loop in a thread of its own, for work that comes in long strokes.

    On the loop of the requests every step of somebody else would wait for a stroke to end. Of
    two threads, the interpreter asks the one that works to give way every five milliseconds.
    What belongs to a loop, as connections do, is not shared between two.
    """

    def __init__(self, life: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        self._life = life
        self._stop = asyncio.Event()
        self._began = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, with a loop of the kind that runs here."""
        kind = type(asyncio.get_running_loop())
        self._thread = threading.Thread(
            target=self._run, args=(kind,), name="back-loop", daemon=True
        )
        self._thread.start()

    async def stop(self) -> None:
        """Let its life end, and wait for that."""
        if self._thread is None:
            return
        await asyncio.to_thread(self._began.wait)
        with suppress(RuntimeError):  # the loop is closed: its life ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join)

    def _run(self, kind: Callable[[], asyncio.AbstractEventLoop]) -> None:
        try:
            with asyncio.Runner(loop_factory=kind) as runner:
                self._loop = runner.get_loop()
                runner.run(self._live())
        except Exception:
            log.exception("back_loop_failed")
            _end_process()
        finally:
            self._began.set()

    async def _live(self) -> None:
        self._began.set()
        await self._life(self._stop)


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def _watch_loop(name: str, stop: asyncio.Event) -> None:
    """Measure how late an event loop wakes up: above 100 ms, something blocks it."""
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        due = loop.time() + _LOOP_PROBE
        with suppress(TimeoutError):
            # Until told to stop, and not a probe longer: the others would wait for it.
            async with asyncio.timeout_at(due):
                await stop.wait()
                return
        LOOP_LAG.labels(name).set(max(0.0, loop.time() - due))
