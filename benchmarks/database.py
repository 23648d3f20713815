"""Questions to Postgres from plain code, over one connection that stays open."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import asyncpg


class Reader:
    """One connection as administrator. Not for use inside a running event loop."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection = self._loop.run_until_complete(asyncpg.connect(url, timeout=30))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def value(self, sql: str, *args: object) -> Any:
        """Return the first column of the first row."""
        return self._loop.run_until_complete(self._connection.fetchval(sql, *args))

    def rows(self, sql: str, *args: object) -> list[dict[str, Any]]:
        """Return rows as dictionaries."""
        found: Sequence[Any] = self._loop.run_until_complete(self._connection.fetch(sql, *args))
        return [dict(row) for row in found]

    def execute(self, sql: str, *args: object) -> None:
        """Run a statement, or several without parameters."""
        self._loop.run_until_complete(self._connection.execute(sql, *args))

    def close(self) -> None:
        """Disconnect."""
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()
