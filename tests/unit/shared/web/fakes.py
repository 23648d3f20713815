from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from shared.auth.principal import Principal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRINCIPAL = Principal(UUID(int=1), "test", "billing", frozenset({"health:read", "health:write"}))

AppMaker = Callable[..., FastAPI]
ClientMaker = Callable[..., httpx.AsyncClient]


@dataclass
class FakeTransaction:
    """Takes the two statements that the idempotency module sends; anything else is an effect."""

    database: "FakeDatabase"
    now: datetime
    service: str = "health"
    held: set[int] = field(default_factory=set)
    written: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)

    async def fetch_value(self, _sql: str, *, lock: int) -> bool:
        if lock in self.database.locks:
            return False
        self.held.add(lock)
        self.database.locks.add(lock)
        return True

    async def fetch_one(
        self, _sql: str, *, principal: str, key: str, since: datetime
    ) -> dict[str, Any] | None:
        row = self.database.answers.get((principal, key))
        return row if row is not None and row["created_at"] > since else None

    async def execute(self, sql: str, **values: Any) -> int:
        if "idempotency_keys" not in sql:
            self.effects.append(sql)
            return 1
        row = {**values, "request_hash": values["hash"], "created_at": values["now"]}
        self.written[(values["principal"], values["key"])] = row
        return 1


@dataclass
class FakeDatabase:
    """Commits or rolls back like the real one, in memory."""

    now: datetime = NOW
    fails_at_commit: Exception | None = None
    locks: set[int] = field(default_factory=set)
    answers: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    committed: int = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[FakeTransaction]:
        tx = FakeTransaction(self, self.now)
        try:
            yield tx
            if self.fails_at_commit is not None:
                raise self.fails_at_commit
            self.committed += 1
            self.answers.update(tx.written)
            self.effects += tx.effects
        finally:
            self.locks -= tx.held


@dataclass
class FakeKeyRing:
    """Knows the secrets it is given."""

    known: dict[str, Principal]

    async def authenticate(self, secret: str) -> Principal | None:
        return self.known.get(secret)
