"""Load: what product backends, a billing system and people send, all from one seed.

Whoever gets no answer, or a 5xx, sends the same again under the same ids, as real clients do.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from shared.bus.producer import Message, Producer
from shared.bus.topics import USAGE_TOPIC
from shared.kernel.errors import Refusal
from tests.faults.harness.ledger import (
    OPENING,
    Ledger,
    Named,
    Outcome,
    Poison,
    Signal,
    Usage,
    settle,
)

SOURCE = "faults"
_DIRECT = "/faults/direct"
_NAMES = ("report.exported", "page.viewed", "document.edited", "search.run")
_ACCOUNTS = [f"u-{number:02}" for number in range(20)]
_WRITERS = 4
_GIVE_UP = 90.0
_BACK_OFF = 0.4


class Load:
    """Sends until paused. ``url`` says where a service answers, any replica of it."""

    def __init__(
        self, ledger: Ledger, url: Callable[[str], str], *, seed: int, bootstrap: str
    ) -> None:
        self.ledger = ledger
        self.keys: Mapping[str, str] = {}
        self._url = url
        self._rng = random.Random(seed)  # noqa: S311 - a run is to be repeated
        self._bootstrap = bootstrap
        self._producer: Producer | None = None
        self._client = httpx.AsyncClient(timeout=12)
        self._goes = asyncio.Event()
        self._usage_goes = asyncio.Event()
        self._under_way = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._risks: list[tuple[str, str]] = []
        self._numbers: dict[str, int] = {}
        self._recent: list[Usage] = []

    async def start(self) -> None:
        """Begin to send."""
        loops = [*(self._usage() for _ in range(_WRITERS)), self._direct_usage()]
        loops += [self._groups(), self._openings(), *(self._signals() for _ in range(4))]
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        self.resume()

    async def stop(self) -> None:
        """Send no more, for good."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()
        await self.disconnect()

    def resume(self, *, usage: bool = True) -> None:
        """Send again; without usage only everything else."""
        self._goes.set()
        if usage:
            self._usage_goes.set()

    async def pause(self) -> bool:
        """Send nothing new; True when every call under way has ended."""
        self._goes.clear()
        return await self._settled()

    async def pause_usage(self) -> None:
        """Send no usage; everything else goes on."""
        self._usage_goes.clear()

    async def disconnect(self) -> None:
        """Leave the broker: a client that is connected makes topics where there are none."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    def risk_accounts(self, accounts: Sequence[str]) -> None:
        """Let these accounts have risks, each reason once."""
        more = [(account, reason) for account in accounts for reason in OPENING]
        self._rng.shuffle(more)
        self._risks += more

    async def send_usage(self, batch: Sequence[Usage], rejected: Sequence[Named] = ()) -> Outcome:
        """Send usage events over HTTP, as one batch, until acknowledged."""
        for each in batch:
            self.ledger.usage.setdefault(each.key, each)
            each.times_sent += 1
        self.ledger.rejected |= {each.id: each for each in rejected}
        messages: list[dict[str, Any]] = [_message(each) for each in batch]
        messages += [_unusable(each.id) for each in rejected]
        self._rng.shuffle(messages)
        return await self._insist(
            ("health", "/v1/batch", "usage"), {"batch": messages}, [*batch, *rejected]
        )

    async def send_signal(self, account: str, kind: str) -> Outcome:
        """Send a signal until acknowledged."""
        signal = Signal(self._next("sig"), account, kind)
        self.ledger.signals[signal.id] = signal
        return await self._insist(
            ("health", f"/api/v1/accounts/{account}/signals", "admin"),
            {"type": kind, "external_id": signal.id},
            [signal],
        )

    async def open_account(self, account: str) -> Outcome:
        """Open an account until acknowledged."""
        entry = self.ledger.opened.setdefault(account, Named(account))
        order = {"account_id": account, "name": account.upper(), "start_onboarding": False}
        return await self._insist(("onboarding", "/api/v1/accounts", "admin"), order, [entry])

    async def post(self, service: str, path: str, body: object, *, method: str = "POST") -> bool:
        """Send something that the ledger does not owe anybody, until acknowledged."""
        outcome = await self._insist((service, path, "admin"), body, [], method=method)
        return outcome is Outcome.OK

    async def send_poison(self, topic: str, *, in_calm: bool) -> None:
        """Put bytes that are no event on a topic."""
        value = b"\x00\xff poison " + self._next("p").encode()
        poison = Poison(topic, value, datetime.now(UTC), in_calm)
        self.ledger.sending("poison", [value.decode("latin-1")])
        await self._kafka().send(Message(topic, b"u-00", value))
        self.ledger.poison.append(poison)
        self.ledger.answered("poison", [value.decode("latin-1")], Outcome.OK)

    async def send_twice(self, count: int) -> int:
        """Send events that were acknowledged before once more, over both roads."""
        known = [each for each in self._recent if each.outcome is Outcome.OK]
        again = self._rng.sample(known, min(count, len(known)))
        if again:
            await self.send_usage(again)
            await self._send_direct(again)
        return len(again)

    def make_usage(self, *, source: str = SOURCE, account: str = "") -> Usage:
        """Make an event: mostly of just now, some of them late."""
        late = timedelta(hours=30) if self._rng.random() < 0.1 else timedelta(0)
        return Usage(
            source=source,
            id=self._next("ev"),
            account=account or self._rng.choice(_ACCOUNTS),
            name=self._rng.choice(_NAMES),
            user=f"user-{self._rng.randrange(6)}",
            time=datetime.now(UTC) - late - timedelta(seconds=1),
        )

    async def _usage(self) -> None:
        while True:
            await self._allowed(self._goes, self._usage_goes)
            batch = [self.make_usage() for _ in range(self._rng.randint(4, 12))]
            if self._recent and self._rng.random() < 0.3:
                batch.append(self._rng.choice(self._recent))
            bad = [Named(self._next("bad"))] if self._rng.random() < 0.1 else []
            if await self.send_usage(batch, bad) is Outcome.OK:
                self._recent = [*self._recent[-500:], *batch]
            await asyncio.sleep(self._rng.uniform(0.4, 0.8))

    async def _direct_usage(self) -> None:
        while True:
            await self._allowed(self._goes, self._usage_goes)
            await self._send_direct([self.make_usage(source=_DIRECT) for _ in range(3)])
            await asyncio.sleep(2)

    async def _send_direct(self, batch: Sequence[Usage]) -> None:
        """Publish straight to Kafka, until acknowledged."""
        for each in batch:
            self.ledger.usage.setdefault(each.key, each)
            each.times_sent += 1
        messages = [
            Message(USAGE_TOPIC, each.account.encode(), msgspec.json.encode(_cloudevent(each)))
            for each in batch
        ]
        ids = [each.id for each in batch]
        with self._one_more():
            deadline = asyncio.get_running_loop().time() + _GIVE_UP
            while asyncio.get_running_loop().time() < deadline:
                self.ledger.sending("direct", ids)
                answers: Sequence[Refusal | None] = await self._kafka().send_all(messages)
                for each, answer in zip(batch, answers, strict=True):
                    settle(each, Outcome.UNKNOWN if answer else Outcome.OK)
                is_ok = not any(answers)
                self.ledger.answered("direct", ids, Outcome.OK if is_ok else Outcome.UNKNOWN)
                if is_ok:
                    return
                await asyncio.sleep(_BACK_OFF)

    async def _groups(self) -> None:
        while True:
            await self._allowed(self._goes)
            entry = Named(self._next("group"))
            self.ledger.grouped[entry.id] = entry
            call = {
                "messageId": f"m-{entry.id}",
                "groupId": entry.id,
                "userId": "someone",
                "traits": {"name": entry.id},
            }
            await self._insist(("health", "/v1/group", "usage"), call, [entry])
            await asyncio.sleep(1)

    async def _openings(self) -> None:
        while True:
            await self._allowed(self._goes)
            await self.open_account(self._next("opened"))
            await asyncio.sleep(0.7)

    async def _signals(self) -> None:
        while True:
            await self._allowed(self._goes)
            if not self._risks:
                await asyncio.sleep(1)
                continue
            account, reason = self._risks.pop()
            if await self.send_signal(account, reason) is not Outcome.OK:
                continue
            await asyncio.sleep(self._rng.uniform(1, 4))
            await self._allowed(self._goes)
            await self.send_signal(account, OPENING[reason])

    async def _insist(
        self,
        to: tuple[str, str, str],
        body: object,
        entries: Sequence[Usage | Signal | Named],
        *,
        method: str = "POST",
    ) -> Outcome:
        """Send until there is an answer that means something, 90 s at most."""
        service, path, key = to
        ids = [each.id for each in entries] or [path]
        deadline = asyncio.get_running_loop().time() + _GIVE_UP
        headers = {"Authorization": f"Bearer {self.keys[key]}", "Idempotency-Key": self._next("k")}
        if method == "PUT":
            headers["If-Match"] = '"1"'
        outcome = Outcome.FAIL
        with self._one_more():
            while True:
                self.ledger.sending(path, ids)
                answer, why = await self._call(method, f"{self._url(service)}{path}", body, headers)
                outcome = answer
                self.ledger.answered(path, ids, outcome, why)
                for each in entries:
                    settle(each, outcome)
                if outcome is not Outcome.UNKNOWN:
                    return outcome
                if asyncio.get_running_loop().time() > deadline:
                    return outcome
                await asyncio.sleep(_BACK_OFF)

    async def _call(
        self, method: str, url: str, body: object, headers: Mapping[str, str]
    ) -> tuple[Outcome, str]:
        try:
            answer = await self._client.request(method, url, json=body, headers=dict(headers))
        except httpx.HTTPError as error:
            return Outcome.UNKNOWN, type(error).__name__
        if answer.is_success:
            return Outcome.OK, str(answer.status_code)
        again = answer.status_code >= 500 or answer.status_code in {409, 429}
        why = f"{answer.status_code} {answer.text[:200]}"
        return (Outcome.UNKNOWN if again else Outcome.FAIL), why

    async def _allowed(self, *gates: asyncio.Event) -> None:
        while not all(gate.is_set() for gate in gates):
            for gate in gates:
                await gate.wait()

    async def _settled(self) -> bool:
        for _ in range(1000):
            if not self._under_way:
                return True
            await asyncio.sleep(0.1)
        return False

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _kafka(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(self._bootstrap)
        return self._producer

    def _next(self, sort: str) -> str:
        number = self._numbers.get(sort, 0)
        self._numbers[sort] = number + 1
        return f"{sort}-{number:06}"


def _message(event: Usage) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": event.id,
        "event": event.name,
        "userId": event.user,
        "timestamp": event.time.isoformat(),
        "context": {"groupId": event.account},
    }


def _unusable(event_id: str) -> dict[str, Any]:
    return {"type": "track", "messageId": event_id, "event": "x", "groupId": "no spaces allowed"}


def _cloudevent(event: Usage) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.name,
        "subject": event.account,
        "time": event.time.isoformat(),
        "data": {"user_id": event.user},
    }
