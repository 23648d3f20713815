import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.auth import key_ring
from shared.auth.key_ring import KeyRing
from shared.auth.keys import digest_of
from shared.kernel.clock import FixedClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "tnr_abcdefgh_" + "x" * 43
OTHER = "tnr_stranger_" + "x" * 43


@dataclass
class FakeDatabase:
    """Holds one key; may be down or slow."""

    clock: FixedClock
    row: dict[str, Any] = field(default_factory=dict)
    is_down: bool = False
    gate: asyncio.Event | None = None
    lookups: int = 0
    touches: int = 0
    now: datetime = NOW

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["FakeDatabase"]:
        self.now = self.clock.now()
        if self.is_down:
            raise ConnectionRefusedError
        yield self

    async def fetch_one(self, _sql: str, *, prefix: str) -> dict[str, Any] | None:
        self.lookups += 1
        if self.gate is not None:
            await self.gate.wait()
        return self.row if self.row.get("prefix") == prefix else None

    async def execute(self, _sql: str, **_values: Any) -> int:
        self.touches += 1
        return 1


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def database(clock: FixedClock) -> FakeDatabase:
    row = {
        "id": UUID(int=7),
        "name": "shop",
        "source": "/shop",
        "scopes": ["usage:write"],
        "prefix": "tnr_abcdefgh",
        "secret_sha256": digest_of(SECRET),
        "created_at": NOW,
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
    }
    return FakeDatabase(clock, row)


@pytest.fixture
def ring(database: FakeDatabase, clock: FixedClock) -> KeyRing:
    return KeyRing(database, clock)  # type: ignore[arg-type]


async def test_a_secret_is_looked_up_once_in_five_seconds(
    ring: KeyRing, database: FakeDatabase, clock: FixedClock
) -> None:
    first = await ring.authenticate(SECRET)
    clock.advance(timedelta(seconds=4.9))
    second = await ring.authenticate(SECRET)
    clock.advance(timedelta(seconds=0.1))
    await ring.authenticate(SECRET)

    assert first == second
    assert first is not None
    assert (first.name, first.source, first.scopes) == ("shop", "/shop", {"usage:write"})
    assert database.lookups == 2


async def test_an_unknown_secret_is_remembered_too(ring: KeyRing, database: FakeDatabase) -> None:
    assert [await ring.authenticate(OTHER) for _ in range(2)] == [None, None]
    assert database.lookups == 1


async def test_the_right_prefix_with_the_wrong_rest_opens_nothing(ring: KeyRing) -> None:
    assert await ring.authenticate("tnr_abcdefgh_" + "y" * 43) is None


@pytest.mark.parametrize("secret", ["", "x", SECRET + "x", SECRET[:-1], SECRET + "\n", "tnr_ü"])
async def test_what_cannot_be_a_secret_costs_no_query(
    ring: KeyRing, database: FakeDatabase, secret: str
) -> None:
    assert await ring.authenticate(secret) is None
    assert database.lookups == 0


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
async def test_a_key_that_has_ended_stops_within_five_seconds(
    ring: KeyRing, database: FakeDatabase, clock: FixedClock, column: str
) -> None:
    assert await ring.authenticate(SECRET)
    database.row[column] = NOW
    clock.advance(timedelta(seconds=5))

    assert await ring.authenticate(SECRET) is None


async def test_a_key_expires_on_time_even_when_remembered(
    ring: KeyRing, database: FakeDatabase, clock: FixedClock
) -> None:
    database.row["expires_at"] = NOW + timedelta(seconds=2)
    assert await ring.authenticate(SECRET)
    clock.advance(timedelta(seconds=2))

    assert await ring.authenticate(SECRET) is None


async def test_known_keys_outlive_a_database_outage_of_up_to_a_minute(
    ring: KeyRing, database: FakeDatabase, clock: FixedClock
) -> None:
    await ring.authenticate(SECRET)
    database.is_down = True

    for _ in range(11):
        clock.advance(timedelta(seconds=5))
        assert await ring.authenticate(SECRET)
    clock.advance(timedelta(seconds=5))
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await ring.authenticate(SECRET)


async def test_an_unknown_secret_is_not_judged_while_the_database_is_down(
    ring: KeyRing, database: FakeDatabase, clock: FixedClock
) -> None:
    await ring.authenticate(OTHER)
    clock.advance(timedelta(seconds=5))
    database.is_down = True

    with pytest.raises(ConnectionRefusedError):
        await ring.authenticate(OTHER)


async def test_one_caller_asks_again_and_the_others_do_not_wait(
    ring: KeyRing, database: FakeDatabase, clock: FixedClock
) -> None:
    await ring.authenticate(SECRET)
    clock.advance(timedelta(seconds=5))
    database.gate = asyncio.Event()
    asking = asyncio.create_task(ring.authenticate(SECRET))
    await asyncio.sleep(0)

    assert await ring.authenticate(SECRET)
    database.gate.set()
    assert await asking
    assert database.lookups == 2


async def test_a_clock_set_back_does_not_keep_old_answers(
    ring: KeyRing, database: FakeDatabase, clock: FixedClock
) -> None:
    await ring.authenticate(SECRET)
    clock.advance(timedelta(hours=-1))
    await ring.authenticate(SECRET)

    assert database.lookups == 2


async def test_use_is_noted_at_most_once_a_minute(
    ring: KeyRing, database: FakeDatabase, clock: FixedClock
) -> None:
    for _ in range(13):
        await ring.authenticate(SECRET)
        clock.advance(timedelta(seconds=5))

    assert database.touches == 2


async def test_guessing_neither_fills_the_memory_nor_pushes_real_keys_out(
    ring: KeyRing, database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "_MOST", 3)
    await ring.authenticate(SECRET)

    for n in range(10):
        await ring.authenticate(f"tnr_guess{n:03}_" + "x" * 43)
    await ring.authenticate(SECRET)

    assert database.lookups == 11
