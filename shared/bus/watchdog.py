"""Ends a process whose work has stopped, so that its supervisor starts it again."""

import os
import sys
import threading
import time

_EXIT_CODE = 70


class Watchdog:
    """A thread that ends the process when nobody called `beat` for ``limit`` seconds.

    It is a thread because a blocked event loop could not watch itself.
    """

    def __init__(self, name: str, limit: float = 60.0) -> None:
        self._name = name
        self._limit = limit
        self._last = time.monotonic()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self.beat()
        threading.Thread(target=self._watch, name=f"watchdog-{self._name}", daemon=True).start()

    def beat(self) -> None:
        """Say that work goes on."""
        self._last = time.monotonic()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._limit / 10):
            stalled = time.monotonic() - self._last
            if stalled > self._limit:
                sys.stderr.write(f'{{"event": "watchdog_exit", "worker": "{self._name}"}}\n')
                os._exit(_EXIT_CODE)
