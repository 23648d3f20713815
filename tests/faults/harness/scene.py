"""The scene: the whole product as processes, receivers, customers, and load on all of it."""

import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from shared.auth import keys as api_keys
from shared.bus.listeners import Listener, topics_of
from shared.bus.topics import USAGE_TOPIC
from shared.db.transaction import Transaction
from tenure.catalog import SERVICES
from tenure.cli.databases import run_in
from tenure.demo.receivers import SmtpSink, WebhookReceiver
from tenure.stack.local import LocalStack, Plan
from tests.faults.harness.background import Background, wait_until
from tests.faults.harness.database import Reader, of_all_services
from tests.faults.harness.ledger import Ledger, Outcome, Usage
from tests.faults.harness.load import SOURCE, Load
from tests.faults.harness.positions import PositionWatch
from tests.faults.harness.topics import FACT_TOPICS, Topics

_SEATS = 10
_CSM = "csm@vendor.example"


@dataclass(frozen=True)
class Setting:
    """What a run is made of. ``broker`` as in `Plan`: embedded, apache, or addresses.

    ``keep`` is a folder for data and logs that is left behind, for finding out why.
    """

    seed: int
    broker: str = "embedded"
    accounts: int = 60
    keep: str = ""
    command: tuple[str, ...] = (sys.executable, "-m", "tenure")


@dataclass(frozen=True, slots=True)
class Canary:
    """How long after a fault the whole way was open again; None: not within the deadline."""

    after: str
    seconds: float | None


@dataclass
class Scene:
    """Everything a case of fault acts on, and the checker reads."""

    setting: Setting
    folder: Path
    stack: LocalStack
    ledger: Ledger
    load: Load
    background: Background
    mails: SmtpSink
    hooks: WebhookReceiver
    reader: Reader
    topics: Topics
    watch: PositionWatch
    rng: random.Random
    canaries: list[Canary] = field(default_factory=list)
    emptied: list[tuple[str, float | None]] = field(default_factory=list)
    _customers: int = 0

    def say(self, what: str) -> None:
        """Tell whoever watches."""
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what}\n")
        sys.stderr.flush()

    def add_customers(self, count: int) -> None:
        """Open accounts that have an owner, a contract and used seats, so that risks matter."""
        first = self._customers
        self._customers += count
        accounts = [f"s-{number:04}" for number in range(first, self._customers)]
        self.background.run(self._open_all(accounts), 180)
        self._until_known(accounts)
        self.load.risk_accounts(accounts)

    def recover(self, fault: str, within: float = 90.0) -> Canary:
        """Prove that the whole way is open again: usage is counted, facts are heard by all."""
        started = monotonic()
        account = f"canary-{len(self.canaries)}"
        event = self.load.make_usage(account=account)
        self.background.run(self._send_canary(event, account), within + 60)
        self.background.run(self.load.disconnect())
        heard = wait_until(lambda: self._is_heard(event, account), within)
        seconds = None if heard is None else round(monotonic() - started, 1)
        canary = Canary(fault, seconds)
        self.canaries.append(canary)
        self.say(f"  the whole way is open again after {canary.seconds} s")
        return canary

    def note_outbox(self, fault: str, within: float = 60.0) -> float | None:
        """Measure how long it takes, from now, until every outbox has been empty once."""
        sql = of_all_services(
            "SELECT count(*) AS n FROM {s}.outbox WHERE publishedat IS NULL "
            "AND occurredat < now() - interval '2 seconds'"
        )
        took = wait_until(
            lambda: sum(row["n"] for row in self.reader.rows(sql)) == 0, within, every=0.25
        )
        self.emptied.append((fault, None if took is None else round(took, 1)))
        self.say(f"  outboxes empty after {took and round(took, 1)} s")
        return took

    def settle(self, within: float = 90.0) -> None:
        """Send nothing new and wait until everything that was sent has run its course."""
        self.background.run(self.load.pause(), 120)
        took = wait_until(self._is_idle, 30, every=0.25)
        self.emptied.append(("the end of load", None if took is None else round(took, 1)))
        left = ""

        def is_quiet() -> bool:
            nonlocal left
            left = self._left()
            return not left

        if wait_until(is_quiet, within, every=0.5) is None:
            self.say(f"  not settled: {left}")

    def listeners(self) -> dict[str, Sequence[Listener]]:
        """Return what each service hears."""
        mains = {name: import_module(f"services.{name}.main") for name in SERVICES}
        return {name: main.SERVICE.listeners for name, main in mains.items()}

    def _is_idle(self) -> bool:
        rows = self.reader.rows(
            of_all_services("SELECT count(*) AS n FROM {s}.outbox WHERE publishedat IS NULL")
        )
        return not any(row["n"] for row in rows)

    def _left(self) -> str:
        """Return what is still under way, in words; empty when nothing is."""
        if not self._is_idle():
            return "outboxes are not empty"
        uncopied = sum(
            row["n"]
            for row in self.reader.rows(
                of_all_services(
                    "SELECT count(*) AS n FROM {s}.dead_letters WHERE copied_at IS NULL"
                )
            )
        )
        if uncopied:
            return f"{uncopied} dead letters are not copied"
        owed = [each.key for each in self.ledger.usage_with(Outcome.OK)]
        counted = self.reader.value(
            "SELECT count(DISTINCT key) FROM health.usage_id_keys WHERE key = ANY($1)", owed
        )
        if counted < len(owed):
            return f"{len(owed) - counted} events are not counted"
        # Deliveries late: what was heard a moment ago has made its own by now. Each says that it
        # arrived, so the outboxes are looked at once more.
        left = self._lag() or self._deliveries_left()
        return left or ("" if self._is_idle() else "deliveries are not told")

    def _deliveries_left(self) -> str:
        due = self.reader.value(
            "SELECT count(*) FROM notifications.deliveries WHERE status = 'sending' "
            "OR (status = 'pending' AND next_attempt_at < now() + interval '1 minute')"
        )
        return f"{due} deliveries are under way" if due else ""

    def _lag(self) -> str:
        ends = self.topics.ends([*FACT_TOPICS, USAGE_TOPIC])
        stored = {
            (row["consumer_group"], row["topic"], row["partition"]): row["next_offset"]
            for row in self.reader.rows(
                of_all_services(
                    "SELECT consumer_group, topic, partition, next_offset FROM {s}.positions"
                )
            )
        }
        groups = {f"tenure.{s}": topics_of(each) for s, each in self.listeners().items()}
        groups["tenure.health.usage"] = [USAGE_TOPIC]
        for group, topics in groups.items():
            for (topic, partition), end in ends.items():
                if topic in topics and stored.get((group, topic, partition), 0) < end:
                    return f"{group} lags on {topic}/{partition}"
        return ""

    async def _send_canary(self, event: Usage, account: str) -> None:
        await self.load.open_account(account)
        await self.load.send_usage([event])

    def _is_heard(self, event: Usage, account: str) -> bool:
        hearing = [name for name in SERVICES if name != "onboarding"]
        rows = self.reader.rows(
            "SELECT "
            + ", ".join(
                f"EXISTS (SELECT FROM {name}.accounts WHERE account_id = $1) AS {name}"
                for name in hearing
            )
            + ", EXISTS (SELECT FROM health.usage_id_keys WHERE key = $2) AS counted",
            account,
            event.key,
        )
        return all(rows[0].values())

    async def _open_all(self, accounts: Sequence[str]) -> None:
        gate = asyncio.Semaphore(6)

        async def open_one(account: str) -> None:
            async with gate:
                await self._open_customer(account)

        await asyncio.gather(*(open_one(account) for account in accounts))

    async def _open_customer(self, account: str) -> None:
        assert await self.load.open_account(account) is Outcome.OK
        owner = {"name": "Cora Stein", "email": _CSM}
        path = f"/api/v1/accounts/{account}"
        assert await self.load.post("onboarding", f"{path}/owners/csm", owner, method="PUT")
        assert await self.load.post("renewals", f"{path}/contracts", _contract())
        used = [self.load.make_usage(account=account) for _ in range(_SEATS)]
        for number, each in enumerate(used):
            each.user, each.name = f"seat-{number}", "page.viewed"
            each.time = datetime.now(UTC) - timedelta(days=2)
        assert await self.load.send_usage(used) is Outcome.OK
        # The stream's time moves on, so that the day is over.
        assert await self.load.send_usage([self.load.make_usage(account="u-00")]) is Outcome.OK

    def _until_known(self, accounts: Sequence[str]) -> None:
        known = (
            "SELECT (SELECT count(*) FROM notifications.owners WHERE account_id = ANY($1)) "
            "+ (SELECT count(*) FROM renewals.renewals WHERE account_id = ANY($1)) "
            "+ (SELECT count(*) FROM expansion.accounts WHERE account_id = ANY($1) "
            "AND active_users_28d = $2)"
        )
        wanted = 3 * len(accounts)
        took = wait_until(lambda: self.reader.value(known, list(accounts), _SEATS) >= wanted, 120)
        assert took is not None, (
            f"customers are not known: {self.reader.value(known, list(accounts), _SEATS)} "
            f"of {wanted}"
        )


@contextmanager
def play(setting: Setting) -> Iterator[Scene]:
    """Build the scene, with load on it; take it down whatever happens."""
    with ExitStack() as exits:
        folder = Path(setting.keep or exits.enter_context(TemporaryDirectory(prefix="tenure-")))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # as root, Postgres runs as a user who could not enter it
        background = Background()
        exits.callback(background.stop)
        mails, hooks = SmtpSink(), WebhookReceiver()
        for receiver in (mails, hooks):
            background.run(receiver.__aenter__())
            exits.callback(background.run, receiver.__aexit__(None, None, None))
        stack = LocalStack(_plan(setting, folder, mails))
        exits.enter_context(stack.running())
        scene = _scene(setting, folder, stack, background, (mails, hooks))
        exits.callback(scene.ledger.close)
        exits.callback(lambda: background.run(scene.load.stop()))
        scene.watch.start()
        exits.callback(scene.watch.stop)
        background.run(_add_endpoint(scene))
        scene.add_customers(setting.accounts)
        background.run(scene.load.start())
        yield scene


def _plan(setting: Setting, folder: Path, mails: SmtpSink) -> Plan:
    return Plan(
        folder,
        broker=setting.broker,
        durable=False,
        environment={"TENURE_SMTP_URL": mails.url},
        command=setting.command,
    )


def _scene(
    setting: Setting,
    folder: Path,
    stack: LocalStack,
    background: Background,
    receivers: tuple[SmtpSink, WebhookReceiver],
) -> Scene:
    rng = random.Random(setting.seed)  # noqa: S311 - a run is to be repeated
    picks = random.Random(setting.seed)  # noqa: S311 - a run is to be repeated

    def any_replica(service: str) -> str:
        return picks.choice([r.url for r in stack.replicas if r.service == service])

    async def make_load() -> Load:
        return Load(ledger, any_replica, seed=setting.seed, bootstrap=stack.bootstrap)

    ledger = Ledger(folder / "ledger.jsonl")
    load = background.run(make_load())
    load.keys = {
        "usage": _key(stack.admin_url, ["usage:write"]),
        "admin": _key(stack.admin_url, ["admin"]),
    }
    reader = Reader(stack.admin_url)
    return Scene(
        setting=setting,
        folder=folder,
        stack=stack,
        ledger=ledger,
        load=load,
        background=background,
        mails=receivers[0],
        hooks=receivers[1],
        reader=reader,
        topics=Topics(stack.bootstrap),
        watch=PositionWatch(stack.admin_url),
        rng=rng,
    )


def _key(admin_url: str, scopes: list[str]) -> str:
    async def make(tx: Transaction) -> str:
        return (await api_keys.create(tx, name=scopes[0], source=SOURCE, scopes=scopes)).secret

    return run_in(admin_url, "auth", make)


async def _add_endpoint(scene: Scene) -> None:
    load: Any = scene.load
    answer = await load._client.post(  # noqa: SLF001 - its secret is in this answer and in no other
        f"{scene.stack.url('notifications')}/api/v1/webhook_endpoints",
        json={"url": scene.hooks.url},
        headers={"Authorization": f"Bearer {load.keys['admin']}"},
    )
    scene.hooks.trust(answer.json()["secret"])


def _contract() -> dict[str, Any]:
    today = datetime.now(UTC).date()
    return {
        "starts_on": str(today - timedelta(days=200)),
        "ends_on": str(today + timedelta(days=500)),
        "seats": _SEATS,
        "amount": {"amount_minor": 1_000_000, "currency": "EUR"},
    }
