"""Watching every stored position while faults happen: within one log they never go back."""

import threading

import asyncpg

from tests.faults.harness.database import Reader, of_all_services

_EVERY = 0.5
_SQL = of_all_services(
    "SELECT consumer_group, topic, partition, log_id, next_offset FROM {s}.positions"
)


class PositionWatch:
    """Looks twice a second, and keeps what went back."""

    def __init__(self, url: str) -> None:
        self._reader = Reader(url)
        self._highest: dict[tuple[str, str, int, str], int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.looks = 0
        self.gone_back: list[str] = []

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            try:
                self._look()
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                continue  # the server is down on purpose

    def _look(self) -> None:
        for row in self._reader.rows(_SQL):
            key = (row["consumer_group"], row["topic"], row["partition"], row["log_id"])
            before = self._highest.get(key, 0)
            if row["next_offset"] < before:
                self.gone_back.append(f"{key}: {before} -> {row['next_offset']}")
            self._highest[key] = max(before, row["next_offset"])
        self.looks += 1
