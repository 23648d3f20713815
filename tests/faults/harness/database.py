"""Reading all schemas as administrator, with a connection per look: servers are killed here."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec

from tenure.catalog import SERVICES

Row = Mapping[str, Any]


class Reader:
    """Asks Postgres, whatever was done to it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, sql: str, *args: object) -> list[Row]:
        """Return what a query finds."""
        return asyncio.run(self.fetch(sql, *args))

    def value(self, sql: str, *args: object) -> Any:
        """Return the first column of the first row."""
        found = self.rows(sql, *args)
        return next(iter(found[0].values())) if found else None

    def run(self, sql: str) -> None:
        """Run a statement."""
        asyncio.run(self._execute(sql))

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """Return what a query finds."""
        connection = await self._connect()
        try:
            return [dict(row) for row in await connection.fetch(sql, *args)]
        finally:
            await connection.close(timeout=5)

    async def _execute(self, sql: str) -> None:
        connection = await self._connect()
        try:
            await connection.execute(sql)
        finally:
            await connection.close(timeout=5)

    async def _connect(self) -> Any:
        connection = await asyncpg.connect(self.url, timeout=10, command_timeout=60)
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=_encode, decoder=msgspec.json.decode
        )
        return connection


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def of_all_services(select: str) -> str:
    """Return a query over the same table of every service; ``{s}`` stands for the schema."""
    return " UNION ALL ".join(select.replace("{s}", name) for name in SERVICES)
